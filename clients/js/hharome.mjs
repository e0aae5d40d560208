// The same as hharome.js, as an ES module: `import { connect } from 'hharome'`.
import './hharome.js';

const { hharome } = globalThis;

/** A `my` that is connected to a bridge. */
export const { connect } = hharome;
export default hharome;

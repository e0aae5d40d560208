// The rows of dots that npos, an ESC/POS decoder that is none of ours, sees in a file: one a line, as 0
// and 1. What it sees besides dots and feeds is named at the end.
const fs = require('fs');
const npos = require('npos');

const bytes = fs.readFileSync(process.argv[2]);
npos.parser().parse(bytes).then((seen) => {
  if (seen.error) throw seen.error;
  // It joins the dots of neighbouring commands to one picture. Four bytes a dot, the first of them its
  // red: 0 is black.
  const dots = [];
  for (const { data } of seen.entries.filter((entry) => entry.type === 'raster')) {
    for (let y = 0; y < data._height; y++) {
      let row = '';
      for (let x = 0; x < data._width; x++) row += data._data[(y * data._width + x) * 4] ? '0' : '1';
      dots.push(row);
    }
  }
  const rows = [];
  const others = [];
  let width = 0;
  for (const node of seen.tree) {
    const name = `${node.ascii} ${node.fn}`;
    if (name === 'GS v0') {
      width = node.width;
      rows.push(...dots.splice(0, node.height));
    } else if (name === 'ESC J') {
      const count = bytes[node.offset + 2];
      for (let y = 0; y < count; y++) rows.push(null);
    } else {
      others.push(name);
    }
  }
  for (const row of rows) console.log(row || '0'.repeat(width));
  console.log(others.join(', '));
}).catch((error) => {
  console.error(error);
  process.exit(1);
});

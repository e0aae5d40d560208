// The rows of dots that npos, an ESC/POS decoder that is none of ours, sees in a file: one a line, as 0
// and 1. What it sees besides dots and feeds is named at the end.
const fs = require('fs');
const npos = require('npos');

// The head of GS v 0, before its dots.
const HEAD = 8;

async function rows(bytes) {
  const seen = await npos.parser().parse(bytes);
  if (seen.error) throw seen.error;
  const rows = [];
  const others = [];
  for (const node of seen.tree) {
    const name = `${node.ascii} ${node.fn}`;
    if (name === 'GS v0') {
      // Alone, as it joins the dots of neighbouring commands to one picture, whatever their widths.
      const alone = bytes.subarray(node.offset - HEAD, node.offset + node.size);
      const { data } = (await npos.parser().parse(alone)).entries[0];
      for (let y = 0; y < data._height; y++) {
        let row = '';
        // A byte a dot: 0 is black.
        for (let x = 0; x < data._width; x++) row += data._data[y * data._width + x] ? '0' : '1';
        rows.push(row);
      }
    } else if (name === 'ESC J') {
      for (let y = 0; y < bytes[node.offset + 2]; y++) rows.push('');
    } else {
      others.push(name);
    }
  }
  return [...rows, others.join(', ')];
}

rows(fs.readFileSync(process.argv[2])).then(
  (lines) => lines.forEach((line) => console.log(line)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

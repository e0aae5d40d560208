// The hands at virtual devices: what each can be made to do, as one table, and its buttons.

import { el } from './kit.js';
import { word } from './words.js';

const PEOPLE = [
  ['zhang-san', '张三'], ['li-si', '李四'], ['wang-wu', '王五'], ['chen-qi', '陈七 (J)'], ['lin-ba', '林八 (J)'],
  ['wu-jiu', '吴九'], ['john-doe', 'John Doe (I)'], ['zheng-shi', '郑十'], ['jane-doe', 'Jane Doe (Y)'],
];
const SOCIAL = [['ssc-1', '1'], ['ssc-2', '2'], ['ssc-3', '3']];
const CARDS = [['transport', 'transport'], ['psam', 'psam'], ...SOCIAL.map(([slug]) => [slug, slug])];

const OUTCOMES = [
  'SUCCESS', 'known', 'stranger', 'too-fast', 'E69001', 'E69015', '90001', '90002', '90003', '90004', 'E90612', 'E90609',
  'E90604', 'E90201', 'E90204', 'E90506', 'E90301', 'E90306', 'E90305', 'E90703', 'E60002', 'E60001', 'Z1006', 'Z1208',
].map((word) => [word, word]);

/** Each row: what is to be filled in, and the buttons that send it. */
const HANDS = {
  id_card: {
    rows: [{ inputs: { card: PEOPLE }, buttons: [['put', 'put', ['card']], ['lift', 'lift', []]] }],
    faults: ['silence', 'bad-checksum', 'cut-frame', 'unplug'],
  },
  qr_scanner: {
    rows: [{ inputs: { text: ['code', 'https://example.com/票?no=7'] }, buttons: [['scan', 'scan', ['text']]] }],
    faults: ['silence', 'cut-frame', 'unplug'],
  },
  cpu_card: {
    rows: [{ inputs: { card: CARDS }, buttons: [['put', 'tap', ['card']], ['lift', 'lift', []]] }],
    faults: ['silence', 'mute', 'vanish', 'occupied', 'unplug'],
  },
  psam: {
    rows: [{ inputs: { slot: [['1', '1'], ['2', '2']], card: [CARDS[1], CARDS[0]] }, buttons: [['put', 'put', ['slot', 'card']], ['lift', 'lift', ['slot']]] }],
    faults: ['silence', 'mute', 'vanish', 'occupied', 'unplug'],
    faultsTake: ['slot'],
  },
  social_security_card: {
    rows: [{ inputs: { card: SOCIAL }, buttons: [['put', 'put', ['card']], ['lift', 'lift', []]] }],
    faults: ['silence', 'mute', 'vanish', 'occupied', 'unplug'],
  },
  microphone: {
    rows: [
      { inputs: { hz: ['Hz', '440', 'number'] }, buttons: [['tone', 'tone', ['hz']], ['silence', 'silence', []]] },
      { inputs: { wav: ['wav', '', 'file'] }, buttons: [['wav', 'wav', ['wav']]] },
    ],
    faults: ['unplug', 'held', 'stall', 'fast', 'gap'],
  },
  printer: {
    rows: [{ inputs: { text: ['rows', '5000', 'number'] }, buttons: [['paper', 'paper', ['text']], ['restart', 'restart', []]] }],
    faults: ['cover-open', 'paper-out', 'near-end', 'offline', 'cutter', 'hot', 'broken', 'stall', 'silence', 'unplug'],
  },
  infrared: {
    rows: [{ inputs: {}, buttons: [['come', 'come', []], ['go', 'go', []], ['pulse', 'pulse', []]] }],
    faults: ['silence', 'unplug'],
  },
  input: {
    rows: [
      { inputs: {}, buttons: [['touch', 'touch', []], ['key', 'key', []]] },
      { inputs: { text: ['text', 'abc', 'text'] }, buttons: [['type', 'type', ['text']]] },
    ],
    faults: ['unplug'],
  },
  second_screen: { rows: [], faults: ['unplug', 'crash', 'silence'] },
  speech: { rows: [], faults: ['silence', 'refuse', 'unplug'] },
  buzzer: { rows: [], faults: ['unplug'] },
  face: {
    rows: [{ inputs: { text: OUTCOMES }, buttons: [['outcome', 'outcome', ['text']]] }],
    faults: ['silence', 'garbage', 'lies', 'cut-frame', 'unplug'],
  },
};

/** The hand at a device; `work(params, button)` does it. Nothing for a device that has none. */
export function hand(device, work) {
  const it = HANDS[device];
  if (!it) return [];
  const fields = {};
  const params = async (takes) => {
    const all = {};
    for (const key of takes) {
      const field = fields[key];
      if (field.type === 'file') all[key] = field.files[0] ? await base64(field.files[0]) : '';
      else all[key] = key === 'slot' || key === 'hz' ? Number(field.value) : field.value;
    }
    return all;
  };
  const rows = it.rows.map(({ inputs, buttons }) => {
    const row = el('div', { class: 'hand' });
    for (const [key, of] of Object.entries(inputs)) {
      fields[key] = Array.isArray(of[0]) ? select(word(key), of) : input(...of);
      row.append(fields[key]);
    }
    for (const [verb, name, takes] of buttons) {
      const onclick = async () => work({ device, do: verb, ...(await params(takes)) });
      row.append(el('button', { type: 'button', onclick, 'data-do': verb, class: verb === 'put' || verb === 'scan' ? 'main' : null }, word(name)));
    }
    for (const field of row.querySelectorAll('input:not([type=file])')) {
      field.addEventListener('keydown', (event) => {
        if (event.key === 'Enter') row.querySelector('button').click();
      });
    }
    return row;
  });
  const faults = select(word('fault'), ['none', ...it.faults].map((fault) => [fault, word(`fault-${fault}`)]));
  const onclick = async () => work({ device, do: 'fault', fault: faults.value, ...(await params(it.faultsTake ?? [])) });
  rows.push(el('div', { class: 'hand' }, el('span', { class: 'quiet' }, word('fault')), faults,
    el('button', { type: 'button', onclick, 'data-do': 'fault' }, word('setFault'))));
  return rows;
}

function select(label, options) {
  return el('select', { 'aria-label': label }, ...options.map(([value, text]) => el('option', { value }, text)));
}

function input(label, value, type = 'text') {
  const accept = type === 'file' ? '.wav,audio/wav' : null;
  return el('input', { 'aria-label': word(label), placeholder: word(label), value, type, accept, spellcheck: 'false', autocomplete: 'off' });
}

/** A file in base64. */
export function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

// What passes at all clients: kept, filtered, shown. Everything here came masked from the bridge.

import { clock, el, pretty } from './kit.js';
import { List } from './list.js';
import { word } from './words.js';

/** So many things are kept, and so many characters of them. */
const KEPT = 10_000;
const KEPT_TEXT = 16_000_000;

/** What happened, as it came, with what is read of it here: its name, and whose it is. */
function understand(frame) {
  frame.name = frame.action ?? '';
  frame.own = frame.transport === 'panel' && !frame.action;
  if (frame.text !== undefined && (frame.what === 'in' || frame.what === 'out')) {
    try {
      const json = JSON.parse(frame.text);
      frame.gist = gist(json);
      frame.id = json.id === undefined ? undefined : JSON.stringify(json.id);
      frame.call = json.call;
      frame.channel = json.channel;
      frame.name ||= json.call ?? json.channel ?? (json.on && `on ${json.on}`) ?? (json.off && `off ${json.off}`) ?? '';
    } catch {
      // It was cut, or is none: its text is shown as it is. A reply of the bridge's own begins with whose it is.
      const [, call, id] = frame.text.match(/^\{"call":"([\w.]+)"(?:,"id":(\d+|"\w*"))?,/) ?? [];
      [frame.call, frame.id] = [call, id];
      frame.name ||= call ?? '';
    }
  } else if (!frame.name) {
    frame.name = word(frame.what);
  }
  return frame;
}

/** What is to be read of a frame in one line. */
function gist(json) {
  const inner = json.res ?? (json.call === 'ampeHHCommunication' ? json.params : json);
  if (inner.success === false) return `${inner.message} ${inner.data?.error?.detail ?? JSON.stringify(inner.data ?? {})}`;
  const said = inner.data ?? inner.params ?? {};
  const text = typeof said === 'string' ? said : JSON.stringify(said);
  return text === '{}' ? '' : text;
}

export class Frames {
  #all = [];
  #text = 0;
  #shown = [];
  #missed = 0;
  /** Of every client its transport, and how many of its frames are kept. */
  #clients = new Map();
  #run = 0;
  #listed = false;
  #held = false;

  /** `heard(frame)` hears of each that comes. */
  constructor(view, heard) {
    this.heard = heard;
    this.byClient = document.getElementById('by-client');
    this.byAction = document.getElementById('by-action');
    this.byTask = document.getElementById('by-task');
    this.own = document.getElementById('own');
    this.counted = document.getElementById('counted');
    this.more = el('pre', { class: 'more', tabIndex: 0, hidden: true });
    this.empty = el('p', { class: 'empty' });
    this.list = new List(word('frames'), fill, (frame) => this.#open(frame));
    this.list.element.id = 'frames-list';
    view.append(this.empty, this.list.element, this.more);
    const filter = document.getElementById('filter');
    filter.addEventListener('input', () => this.#refilter());
    filter.addEventListener('submit', (event) => event.preventDefault());
    document.getElementById('clear').addEventListener('click', () => this.clear());
    const hold = document.getElementById('hold');
    hold.addEventListener('click', () => {
      this.#held = !this.#held;
      hold.setAttribute('aria-pressed', this.#held);
      this.#refilter();
    });
    this.refilters = [];
    this.translate();
  }

  /** An event of `bridgeFrames`. */
  add({ frames, missed }) {
    this.#missed += missed;
    let dropped = 0;
    for (const frame of frames) {
      understand(frame);
      frame.run = this.#run;
      this.#all.push(frame);
      this.#text += frame.text?.length ?? 0;
      this.#count(frame, 1);
      const shown = this.passes(frame);
      if (shown) this.#shown.push(frame);
      this.heard(frame, shown);
    }
    if (this.#all.length > KEPT || this.#text > KEPT_TEXT) {
      // A tenth at a time, so that it is not done at each.
      while (this.#all.length > KEPT * 0.9 || this.#text > KEPT_TEXT) {
        const goes = this.#all.shift();
        this.#text -= goes.text?.length ?? 0;
        this.#count(goes, -1);
        if (goes === this.#shown[0]) {
          this.#shown.shift();
          dropped++;
        }
      }
    }
    this.#show(dropped);
  }

  clear() {
    [this.#all, this.#shown, this.#text, this.#missed] = [[], [], 0, 0];
    for (const client of this.#clients.values()) client.kept = 0;
    this.#listSoon();
    this.list.forget();
    this.more.hidden = true;
    this.#show(0, true);
    for (const refilter of this.refilters) refilter(true);
  }

  /** The bridge may be another run, which numbers its clients anew. */
  begin() {
    this.#run++;
    this.#clients.clear();
    this.byClient.value = '';
    this.#listClients();
    this.#refilter();
  }

  /** Whether it is wanted. */
  passes(frame) {
    const client = this.byClient.value;
    const action = this.byAction.value.trim().toLowerCase();
    const task = this.byTask.value.trim();
    // The reply says that as well.
    if (frame.stage === 'done') return false;
    if (frame.own && !this.own.checked) return false;
    if (client && (frame.run !== this.#run || String(frame.client) !== client)) return false;
    if (action && !frame.name.toLowerCase().includes(action)) return false;
    return !task || String(frame.taskId ?? '') === task;
  }

  forbidden() {
    this.empty.textContent = word('forbidden');
  }

  translate() {
    this.empty.textContent = word('noFrames');
    this.list.element.setAttribute('aria-label', word('frames'));
    this.#listClients();
    this.#show();
  }

  #refilter() {
    this.#shown = this.#all.filter((frame) => this.passes(frame));
    this.#show(0, true);
    for (const refilter of this.refilters) refilter(false);
  }

  /** While it is held more is gathered, and shown only when somebody asks. */
  #show(dropped = 0, asked = false) {
    if (this.#held && !asked) return;
    this.empty.hidden = this.#all.length > 0;
    this.list.element.hidden = this.#all.length === 0;
    this.list.show(this.#held ? [...this.#shown] : this.#shown, dropped);
    const missed = this.#missed ? ` · ${this.#missed} ${word('missed')}` : '';
    this.counted.textContent = this.#all.length ? `${this.#shown.length} / ${this.#all.length}${missed}` : '';
  }

  /** One frame more of a client is kept, or one less. */
  #count({ client, transport, run }, change) {
    // Another run's clients have the same numbers, and are in the list no more.
    if (run !== this.#run) return;
    if (!this.#clients.has(client)) this.#clients.set(client, { transport, kept: 0 });
    const known = this.#clients.get(client);
    known.kept += change;
    if (known.kept === 0 || (known.kept === 1 && change === 1)) this.#listSoon();
  }

  /** Once before the next picture, however many clients come and go. */
  #listSoon() {
    if (this.#listed) return;
    this.#listed = true;
    requestAnimationFrame(() => {
      this.#listed = false;
      this.#listClients();
    });
  }

  /** The clients that frames are kept of, and the one that is chosen. */
  #listClients() {
    const chosen = this.byClient.value;
    for (const [client, { kept }] of this.#clients) {
      if (kept === 0 && String(client) !== chosen) this.#clients.delete(client);
    }
    const options = [...this.#clients].map(([client, { transport }]) =>
      el('option', { value: String(client) }, `#${client} ${transport}`));
    this.byClient.replaceChildren(el('option', { value: '' }, word('all')), ...options);
    this.byClient.value = chosen;
  }

  #open(frame) {
    this.more.hidden = false;
    const head = `${clock(frame.at)}  #${frame.client} ${frame.transport}  ${frame.bytes === undefined ? '' : `${frame.bytes} B`}`;
    this.more.textContent = `${head}\n${pretty(frame.text ?? word(frame.stage === 'waiting' ? 'device' : frame.stage ?? frame.what))}`;
    this.more.scrollTop = 0;
  }
}

/** Makes the cells of a row once, and gives them back. */
export function cells(row, classes) {
  if (!row.cells) {
    row.cells = classes.map((name) => el('span', { class: name }));
    row.append(...row.cells);
  }
  return row.cells;
}

function fill(row, frame) {
  const [at, who, way, name, task, yes, text] = cells(row, ['at', 'who', 'way', 'name', 'task', 'none', 'text']);
  at.textContent = clock(frame.at);
  who.textContent = `#${frame.client} ${frame.transport}`;
  const kind = frame.what === 'in' ? 'in' : frame.what !== 'out' ? '' : frame.channel ? 'event' : 'out';
  way.className = `way ${kind}`;
  way.textContent = { in: '→', out: '←', event: '«' }[kind] ?? '·';
  name.textContent = frame.name;
  task.textContent = frame.taskId ?? '';
  yes.className = frame.success === undefined ? 'none' : frame.success ? 'yes' : 'no';
  yes.textContent = frame.success === undefined ? '' : word(frame.success ? 'yes' : 'no');
  text.textContent = frame.what === 'stage' ? word(frame.stage === 'waiting' ? 'device' : frame.stage) : frame.gist ?? frame.text ?? '';
}

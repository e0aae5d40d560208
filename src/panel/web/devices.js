// Every device with its live state and last error, and the hands at those that are virtual.

import { clock, el } from './kit.js';
import { hand } from './hands.js';
import { word } from './words.js';

export class Devices {
  #known = new Map();
  #parts = new Map();
  #stale = false;

  /** `simulate(params)` works a virtual device, and gives the reply. */
  constructor(view, simulate) {
    this.view = view;
    this.simulate = simulate;
    this.done = document.getElementById('done');
  }

  /** All devices at first, then those that changed. */
  update(devices) {
    if (this.#stale) {
      this.#stale = false;
      this.#known = new Map(devices.map((device) => [device.device, device]));
      this.translate();
      return;
    }
    for (const device of devices) {
      this.#known.set(device.device, device);
      if (!this.#parts.has(device.device)) this.#add(device);
      this.#fill(device);
    }
  }

  /** The bridge may be another run with other devices: all of them come next, and are built anew. */
  begin() {
    this.#stale = true;
  }

  /** How a device is. */
  state(device) {
    return this.#known.get(device)?.state;
  }

  translate() {
    const open = [...this.#parts].filter(([, part]) => part.root.open).map(([name]) => name);
    this.view.replaceChildren();
    this.#parts.clear();
    this.update([...this.#known.values()]);
    for (const name of open) if (this.#parts.has(name)) this.#parts.get(name).root.open = true;
  }

  #add({ device, simulated }) {
    const state = el('span', { class: 'state' });
    const mark = el('small', {}, simulated ? word('simulated') : '');
    const last = el('span', { class: 'last', hidden: true });
    const facts = el('dl');
    const hands = simulated ? hand(device, (params) => this.#work(params)) : [];
    const root = el('details', { class: 'device', id: `device-${device}` },
      el('summary', {}, el('b', {}, word(device)), mark, state, last),
      el('div', {}, ...hands, facts));
    this.view.append(root);
    this.#parts.set(device, { root, state, last, facts });
  }

  #fill({ device, driver, state, since, lastError, counters = {}, facts = {}, cannot = [] }) {
    const part = this.#parts.get(device);
    part.state.dataset.state = state;
    part.state.textContent = word(`state-${state}`);
    // What went wrong is of interest while it is wrong, and with the rest afterwards.
    const wrong = state === 'failed' || state === 'absent';
    part.last.hidden = !lastError || !wrong;
    part.last.textContent = lastError ?? '';
    const rows = [
      [word('driver'), driver],
      [word('since'), clock(since * 1000)],
      ...(lastError ? [[word('lastError'), lastError]] : []),
      ...(cannot.length ? [[word('cannot'), cannot.join(', ')]] : []),
      ...Object.entries(facts),
      ...Object.entries(counters),
    ];
    part.facts.replaceChildren(...rows.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, String(value))]));
  }

  async #work(params) {
    const { success, message, data } = await this.simulate(params);
    const what = `${word(params.device)} · ${word(params.do)}`;
    this.done.className = success ? 'done' : 'done wrong';
    this.done.textContent = success ? `${what}: ${word('doneHand')}` : `${what}: ${message} ${data?.error?.detail ?? ''}`;
  }
}

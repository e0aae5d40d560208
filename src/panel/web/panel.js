// The panel: connects, and gives each view what it is about.

import './hharome.js';
import { Calls } from './calls.js';
import { Devices } from './devices.js';
import { Frames } from './frames.js';
import { Pictures } from './pictures.js';
import { Request } from './request.js';
import { switchLanguage, translate, word, isChinese } from './words.js';

const get = (id) => document.getElementById(id);
const dialog = get('token');
translate();

const my = globalThis.hharome.connect({
  url: `ws://${location.host}/ws`,
  token: sessionStorage.getItem('token') ?? undefined,
  onstate: show,
  onerror: ({ what }) => what === 'bridgeFrames' && frames.forbidden(),
});

const devices = new Devices(get('devices'), (params) => my.call('bridge.simulate', params));
const pictures = new Pictures(get('view-pictures'), (device) => my.call('bridge.look', { device }), () => news('pictures'));
const frames = new Frames(get('view-frames'), (frame) => {
  calls.hear(frame);
  follow(frame);
});
const calls = new Calls(get('view-calls'), frames);
const request = new Request(get('view-request'), my);

/** What was printed or shown is looked at when the answer to it goes by. */
function follow({ what, action, success }) {
  if (what !== 'out' || !success) return;
  if (action === 'receiptPrinting') pictures.receipts();
  if (action === 'openSecondaryScreen' || action === 'closeSecondaryScreen') pictures.screen();
}

function label(state) {
  const link = get('link');
  link.dataset.state = state;
  link.textContent = word(state);
}

function show(state) {
  label(state);
  if (state === 'open') {
    for (const view of [devices, frames, calls, pictures]) view.begin();
    begin();
  }
  if (state === 'refused' && !dialog.open) dialog.showModal();
}

async function begin() {
  const [{ success, data }, protocol] = await Promise.all([
    my.call('bridge.describe'),
    fetch('/panel/protocol.json').then((reply) => reply.json()),
  ]);
  if (!success) return;
  get('version').textContent = data.version;
  request.describe(protocol, data);
  pictures.refresh();
  count();
}

async function count() {
  const { success, data } = await my.call('bridge.status');
  if (success) get('clients').textContent = `${data.connections} ${word('connections')}`;
}

dialog.querySelector('form').addEventListener('submit', () => {
  const token = get('token-text').value;
  sessionStorage.setItem('token', token);
  my.setToken(token);
});

const tabs = [...document.querySelectorAll('[role=tab]')];

function open(tab, focus) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute('aria-selected', chosen);
    one.tabIndex = chosen ? 0 : -1;
    get(one.getAttribute('aria-controls')).hidden = !chosen;
  }
  tab.classList.remove('news');
  // Frames and calls are filtered; a request and pictures are not.
  get('filter').hidden = !['tab-frames', 'tab-calls'].includes(tab.id);
  if (focus) tab.focus();
}

for (const [at, tab] of tabs.entries()) {
  tab.addEventListener('click', () => open(tab));
  tab.addEventListener('keydown', ({ key }) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[key];
    if (to !== undefined) open(tabs.at(to % tabs.length), true);
  });
}

function news(view) {
  const tab = get(`tab-${view}`);
  if (tab.getAttribute('aria-selected') !== 'true') tab.classList.add('news');
}

function words() {
  translate();
  const language = get('language');
  language.textContent = isChinese() ? 'English' : '中文';
  language.lang = isChinese() ? 'en' : 'zh-CN';
  label(my.state);
}

get('language').addEventListener('click', () => {
  switchLanguage();
  words();
  for (const view of [devices, frames, calls, request, pictures]) view.translate();
});

words();
my.on('bridgeDevices', ({ data }) => devices.update(data.devices));
my.on('bridgeFrames', ({ data }) => {
  frames.add(data);
  if (data.frames.some(({ what }) => what === 'connected' || what === 'gone')) count();
});
// Events that this page was too slow for.
my.on('bridgeLagged', ({ data }) => data.channel === 'bridgeFrames' && frames.add({ frames: [], missed: data.dropped }));

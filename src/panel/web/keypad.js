// The keypad that a kiosk's shell shows: hears on bridgeKeypad whether a number is wanted, and answers by
// bridge.keypad. What is typed is kept nowhere and gone with the request that it was typed for.
//
//   ?lang=en      English at first; the button changes it
//   ?idle=text    says that nothing is wanted, instead of a dark page
//   #token=…      the bridge's token, if it has one: what follows # is sent to nobody

import { LENGTH, grouped, isRight, typed } from './number.js';

const WORDS = {
  'zh-CN': {
    title: '请输入身份证号码', enter: '确认', cancel: '取消', clear: '清空', delete: '删除', keys: '数字键盘',
    language: 'English', wrong: '号码有误,请检查', left: (s) => `剩余 ${s} 秒`, empty: '未输入',
    idle: '暂无需要输入的号码', lost: '正在连接…', page: '证件号码',
  },
  en: {
    title: 'Enter your ID number', enter: 'Confirm', cancel: 'Cancel', clear: 'Clear', delete: 'Delete', keys: 'Keypad',
    language: '中文', wrong: 'This number is wrong, please check it', left: (s) => `${s} s left`, empty: 'Nothing entered',
    idle: 'No number is wanted', lost: 'Connecting…', page: 'ID number',
  },
};

// Reconnecting: soon at first, and never more often than every few seconds after that.
const RETRY_MS = [300, 1000, 2000, 5000];

const part = (id) => document.getElementById(id);
const options = new URLSearchParams(location.search);
const token = new URLSearchParams(location.hash.slice(1)).get('token');

let language = options.get('lang') === 'en' ? 'en' : 'zh-CN';
let wanted = null; // { request, until }
let number = '';
let note = '';
let sending = false;
let socket = null;
let failures = 0;
let connected = false;
let calls = 0;

function words() {
  return WORDS[language];
}

function show() {
  const text = words();
  document.documentElement.lang = language;
  document.title = text.page;
  part('keypad').hidden = !wanted;
  part('idle').hidden = Boolean(wanted);
  part('idle').textContent =
    options.get('idle') === 'text' ? (connected ? text.idle : text.lost) : '';
  for (const id of ['title', 'enter', 'cancel', 'clear', 'language']) part(id).textContent = text[id];
  part('delete').setAttribute('aria-label', text.delete);
  part('keys').setAttribute('aria-label', text.keys);
  const whole = number.length === LENGTH;
  const right = isRight(number);
  const shown = part('number');
  shown.textContent = grouped(number);
  shown.setAttribute('aria-label', number ? [...number].join(' ') : text.empty);
  shown.className = whole ? (right ? 'right' : 'wrong') : '';
  part('note').textContent = whole && !right ? text.wrong : note;
  for (const key of document.querySelectorAll('[data-key]')) {
    key.disabled = sending || typed(number, key.dataset.key) === number;
  }
  part('delete').disabled = part('clear').disabled = sending || !number;
  part('enter').disabled = sending || !right;
  part('cancel').disabled = sending;
  tick();
}

function tick() {
  const left = part('left');
  left.hidden = !wanted || wanted.until === null;
  if (left.hidden) return;
  const seconds = Math.max(0, Math.ceil((wanted.until - performance.now()) / 1000));
  const text = words().left(seconds);
  if (left.textContent !== text) left.textContent = text;
  left.className = seconds <= 10 ? 'soon' : '';
}

function press(key) {
  if (!wanted || sending) return;
  note = '';
  if (key === 'delete') number = number.slice(0, -1);
  else if (key === 'clear') number = '';
  else number = typed(number, key);
  show();
}

function say(params) {
  if (!wanted || sending || !socket || socket.readyState !== WebSocket.OPEN) return;
  sending = true;
  calls += 1;
  socket.send(JSON.stringify({
    call: 'bridge.keypad', id: calls, params: { ...params, request: wanted.request },
  }));
  show();
}

function enter() {
  if (isRight(number)) say({ do: 'enter', idNum: number });
}

function want(event) {
  const request = event.wanted ? event.request : undefined;
  const before = wanted && wanted.request;
  if (request === undefined) {
    wanted = null;
  } else {
    const until = event.leftMs === undefined ? null : performance.now() + event.leftMs;
    wanted = { request, until };
  }
  if (request !== before) {
    number = '';
    note = '';
    sending = false;
  }
  show();
  if (wanted && request !== before) part('keypad').focus();
}

function hear(frame) {
  if (frame.channel === 'bridgeKeypad') want(frame.data);
  else if (frame.on) {
    connected = frame.success;
    failures = connected ? 0 : failures;
    show();
  } else if (frame.call === 'bridge.keypad' && frame.id === calls) {
    // Of a success the next event tells.
    sending = false;
    note = frame.res.success ? '' : frame.res.message;
    show();
  }
}

function connect() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const own = new WebSocket(`${scheme}://${location.host}/ws`);
  socket = own;
  own.onopen = () => {
    if (token) own.send(JSON.stringify({ token }));
    own.send(JSON.stringify({ on: 'bridgeKeypad' }));
  };
  own.onmessage = (message) => hear(JSON.parse(message.data));
  own.onclose = () => {
    connected = false;
    want({ wanted: false });
    setTimeout(connect, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
    failures += 1;
  };
}

for (const key of document.querySelectorAll('[data-key]')) {
  key.addEventListener('click', () => press(key.dataset.key));
}
part('delete').addEventListener('click', () => press('delete'));
part('clear').addEventListener('click', () => press('clear'));
part('cancel').addEventListener('click', () => say({ do: 'cancel' }));
part('enter').addEventListener('click', enter);
part('language').addEventListener('click', () => {
  language = language === 'en' ? 'zh-CN' : 'en';
  show();
});
document.addEventListener('keydown', (event) => {
  if (!wanted || event.ctrlKey || event.altKey || event.metaKey) return;
  const onButton = document.activeElement && document.activeElement.tagName === 'BUTTON';
  if (/^[0-9xX]$/.test(event.key)) press(event.key.toUpperCase());
  else if (event.key === 'Backspace') press('delete');
  else if (event.key === 'Delete') press('clear');
  else if (event.key === 'Escape') say({ do: 'cancel' });
  // A button that has the focus is what Enter presses.
  else if (event.key === 'Enter' && !onButton) enter();
  else return;
  event.preventDefault();
});
// After a touch the keyboard types again, instead of pressing that key.
part('keypad').addEventListener('click', (event) => {
  if (event.detail > 0) part('keypad').focus();
});
document.addEventListener('contextmenu', (event) => event.preventDefault());
setInterval(tick, 250);
show();
connect();

// A headless Chromium of a test's own, worked over its DevTools protocol. No library: a page is opened,
// asked, clicked and typed into, and pictures are taken.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const WebSocket = createRequire(new URL('../../clients/js/package.json', import.meta.url))('ws');

/** Ample on a slow, busy machine; only failures take that long. */
const AMPLE = 60_000;

/** What `look` comes to once it is something, or a failure that says what was waited for. */
export async function soon(what, look) {
  const begun = Date.now();
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() - begun > AMPLE) throw new Error(`not within ${AMPLE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Chromium {
  /** With more arguments, if a test needs them. */
  static async start(...more) {
    const program = process.env.CHROMIUM ?? 'chromium';
    const folder = mkdtempSync(join(tmpdir(), 'hharome-chromium-'));
    const child = spawn(program, [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-extensions', '--hide-scrollbars',
      '--remote-debugging-port=0', `--user-data-dir=${folder}`, ...more, 'about:blank',
    ], { stdio: ['ignore', 'ignore', 'pipe'] });
    const url = await new Promise((resolve, reject) => {
      let said = '';
      child.stderr.on('data', (data) => {
        said += data;
        const found = /DevTools listening on (\S+)/.exec(said);
        if (found) resolve(found[1]);
      });
      child.on('error', (error) => reject(new Error(`${program}: ${error.message}; scripts/setup.sh test installs it`)));
      child.on('exit', (code) => reject(new Error(`${program} ended with ${code}: ${said}`)));
    });
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return new Chromium(child, folder, socket);
  }

  #next = 1;
  #waiting = new Map();
  #pages = new Map();

  constructor(child, folder, socket) {
    [this.child, this.folder, this.socket] = [child, folder, socket];
    socket.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.id !== undefined) {
        const { resolve, reject } = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if (message.error) reject(new Error(`${message.error.message} ${message.error.data ?? ''}`));
        else resolve(message.result);
      } else {
        this.#pages.get(message.sessionId)?.event(message);
      }
    });
  }

  send(method, params = {}, sessionId) {
    const id = this.#next++;
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** A page of its own, without the cookies and the storage of others. */
  async page(url, { width = 1280, height = 800, language = 'en-US', dark = false } = {}) {
    const { browserContextId } = await this.send('Target.createBrowserContext');
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId);
    this.#pages.set(sessionId, page);
    await page.send('Page.enable');
    await page.send('Runtime.enable');
    await page.send('Log.enable');
    await page.send('Network.enable');
    await page.send('Accessibility.enable');
    await page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    await page.send('Emulation.setLocaleOverride', { locale: language });
    await page.send('Emulation.setUserAgentOverride', { userAgent: 'hharome tests', acceptLanguage: language });
    await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
    if (url) await page.go(url);
    return page;
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.removeAllListeners('exit');
    this.child.once('exit', () => {});
    const gone = new Promise((resolve) => this.child.once('close', resolve));
    this.socket.close();
    this.child.kill('SIGKILL');
    await Promise.race([ended, gone]);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

export class Page {
  /** What the console said, and what was refused to the page. */
  said = [];
  requests = [];
  #loaded = null;

  constructor(browser, session) {
    [this.browser, this.session] = [browser, session];
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  event({ method, params }) {
    if (method === 'Page.loadEventFired') this.#loaded?.();
    if (method === 'Runtime.consoleAPICalled') this.said.push(params.args.map((one) => one.value ?? one.description).join(' '));
    if (method === 'Runtime.exceptionThrown') this.said.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Log.entryAdded') this.said.push(`${params.entry.text} ${params.entry.url ?? ''}`);
    if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
  }

  async go(url) {
    const loaded = new Promise((resolve) => { this.#loaded = resolve; });
    await this.send('Page.navigate', { url });
    await loaded;
  }

  /** What an expression in the page comes to; of a function its source, called with JSON. */
  async ask(expression, ...given) {
    const source = typeof expression === 'function' ? `(${expression})(...${JSON.stringify(given)})` : expression;
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression: source, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits for what an expression comes to. */
  until(what, expression, ...given) {
    return soon(what, () => this.ask(expression, ...given)).catch((error) => {
      throw new Error(`${error.message}\nthe page said: ${this.said.join('\n')}`);
    });
  }

  /** Clicks into the middle of an element, as a person does. */
  async click(selector) {
    const at = await this.until(`${selector} is there`, (selector) => {
      const element = document.querySelector(selector);
      element?.scrollIntoView({ block: 'nearest' });
      const box = element?.getBoundingClientRect();
      return box && box.width > 0 && { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    }, selector);
    for (const type of ['mouseMoved', 'mousePressed', 'mouseReleased']) {
      await this.send('Input.dispatchMouseEvent', { type, ...at, button: type === 'mouseMoved' ? 'none' : 'left', clickCount: 1 });
    }
  }

  /** Presses a key that has a name: `Tab`, `Enter`, `ArrowDown`, … */
  async press(key, modifiers = 0) {
    const codes = { Tab: 9, Enter: 13, ' ': 32, End: 35, Home: 36, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40, PageUp: 33, PageDown: 34, Backspace: 8, Escape: 27 };
    const text = { Enter: '\r', ' ': ' ' }[key];
    const event = { key, code: key === ' ' ? 'Space' : key, windowsVirtualKeyCode: codes[key], modifiers };
    await this.send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', text, ...event });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
  }

  /** Types a text into what has the focus. */
  async type(text) {
    await this.send('Input.insertText', { text });
  }

  /** A PNG of what is in view. */
  async picture() {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data, 'base64');
  }

  /** The accessibility tree, as `role name` lines of what is not ignored. */
  async accessible() {
    const { nodes } = await this.send('Accessibility.getFullAXTree');
    return nodes.filter((node) => !node.ignored).map((node) => ({ role: node.role?.value, name: node.name?.value ?? '' }));
  }
}

/*
 * hharome for JavaScript: `my.call`, `my.on`, `my.off`, `my.getSystemInfo` over the bridge's WebSocket.
 *
 * This one file is a plain script (it defines `hharome`, and `my` where there is none), a CommonJS
 * module, and what `hharome.mjs` exports. No dependencies. How connections end and begin again, and
 * what becomes of calls then, is told in README.md beside it.
 */
(function (root) {
  'use strict';

  /** The call that carries an action. */
  const ENVELOPE = 'ampeHHCommunication';

  /**
   * Actions that only wait for a person: asked again after a lost connection. Whatever else is lost on
   * its way may have been carried out, and is never sent a second time.
   */
  const WAITS = new Set(['getIDCardInfo', 'getQRCode', 'getSocialSecurityCardInfo', 'enterIDNumber']);

  /** What opens a channel, and what closes it again. */
  const STARTS = new Map([
    ['startMicrophoneListener', { channel: 'initMicrophoneListener', stop: 'stopMicrophoneListener' }],
    ['startInfraredInductionListener', { channel: 'initInfraredInductionListener', stop: 'stopInfraredInductionListener' }],
    ['startCPUCardLoopRead', { channel: 'CPUCardListener', stop: 'stopCPUCardLoopRead' }],
    ['socialSecurityCardConfig', { channel: 'socialSecurityCardListener' }],
    ['ampeStartOperationWatcher', { channel: 'ampeOperationTimeout', once: true }],
  ]);
  const STOPS = new Map([...STARTS].filter(([, it]) => it.stop).map(([start, it]) => [it.stop, start]));

  /** A channel that needs no `on`: the bridge says on it what a slow reader has lost. */
  const LAGGED = 'bridgeLagged';

  /** The bridge of this machine, as it listens where nothing else is configured. */
  const USUAL_URL = 'ws://127.0.0.1:17802/ws';

  /** The bridge closes a connection with it that showed no token, or a wrong one. */
  const NOT_ADMITTED = 1008;

  const DEFAULTS = {
    firstDelay: 250,
    longestDelay: 8000,
    patience: 5000,
    hurry: 1000,
  };

  /** A connection to a bridge, opened when it is first needed and kept. */
  class Bridge {
    #options;
    #socket = null;
    #state = 'idle';
    #failures = 0;
    #retry = null;
    #tried = 0;
    #nextId = 1;
    #calls = new Map();
    #listeners = new Map();
    #started = new Map();
    #ended = new Map();

    constructor(options = {}) {
      this.#options = { ...DEFAULTS, ...options };
      // Page code takes `const { call, on } = my` apart, and mini-programs' code does.
      for (const name of ['call', 'on', 'off', 'getSystemInfo']) this[name] = this[name].bind(this);
    }

    /** `idle`, `connecting`, `open`, `waiting` (to try again), `refused` (the token), `closed`. */
    get state() {
      return this.#state;
    }

    /**
     * One request, one reply. The callback and the promise get the same, whatever comes of it: a lost
     * connection is a reply with `success: false`, and nothing is ever thrown.
     */
    call(name, params, callback) {
      if (typeof params === 'function') [params, callback] = [undefined, params];
      const action = name === ENVELOPE && params ? params.action : undefined;
      return new Promise((resolve) => {
        const id = this.#nextId++;
        const call = { id, name, params, action, sent: false, asked: false, timer: null };
        call.done = (res) => {
          clearTimeout(call.timer);
          this.#calls.delete(id);
          resolve(res);
          if (typeof callback === 'function') run(callback, res);
        };
        this.#calls.set(id, call);
        this.#forget(call);
        if (this.#state === 'closed' || this.#state === 'refused') {
          call.done(refusal(call, this.#state));
        } else {
          this.#hurry();
          this.#connect();
          // Without a WebSocket it is answered already.
          if (this.#calls.has(id)) this.#send(call);
        }
      });
    }

    /** `callback({ data })` for every event of a channel, over lost connections too. */
    on(channel, callback) {
      const callbacks = this.#listeners.get(channel) ?? new Set();
      const first = callbacks.size === 0;
      callbacks.add(callback);
      this.#listeners.set(channel, callbacks);
      this.#connect();
      if (first && this.#state === 'open' && channel !== LAGGED) this.#write({ on: channel });
    }

    /** Takes one callback of a channel away, or all of them. */
    off(channel, callback) {
      const callbacks = this.#listeners.get(channel);
      if (callback && callbacks) callbacks.delete(callback);
      if (callback && callbacks?.size) return;
      this.#listeners.delete(channel);
      for (const [start, it] of STARTS) if (it.channel === channel) this.#end(start, this.#nextId);
      if (callbacks && this.#state === 'open' && channel !== LAGGED) this.#write({ off: channel });
    }

    /** What a mini-program tells a kiosk by: `arome_deviceId`. */
    async getSystemInfo({ success, fail, complete } = {}) {
      const reply = await this.call(ENVELOPE, { action: 'getDeviceInfo', event: 'open', taskId: 'getSystemInfo' });
      if (!reply.success) {
        const error = { error: 4, errorMessage: reply.message, ...reply.data };
        if (fail) run(fail, error);
        if (complete) run(complete, error);
        return error;
      }
      const { screen = {}, navigator = {}, innerWidth, innerHeight, devicePixelRatio } = root;
      const info = {
        // Programs ask only whether there is one; a kiosk without a number is a kiosk, too.
        arome_deviceId: reply.data.sn || 'hharome',
        platform: navigator.userAgentData?.platform || navigator.platform || root.process?.platform || '',
        version: reply.data.appVersion,
        model: reply.data.deviceModel,
        screenWidth: screen.width ?? 0,
        screenHeight: screen.height ?? 0,
        windowWidth: innerWidth ?? 0,
        windowHeight: innerHeight ?? 0,
        pixelRatio: devicePixelRatio ?? 1,
        language: navigator.language ?? 'zh-CN',
      };
      if (success) run(success, info);
      if (complete) run(complete, info);
      return info;
    }

    /** Shows this token from now on, and connects again if it was refused before. */
    setToken(token) {
      this.#options.token = token;
      if (this.#state === 'refused' || this.#state === 'waiting') {
        clearTimeout(this.#retry);
        this.#enter('idle');
        this.#connect();
      }
    }

    /** Connects now, without waiting for the first call. */
    open() {
      this.#connect();
    }

    /** Ends the connection for good; what is under way is answered so. */
    close() {
      clearTimeout(this.#retry);
      this.#enter('closed');
      this.#socket?.close();
      this.#lose();
      for (const call of [...this.#calls.values()]) call.done(refusal(call, 'closed'));
    }

    /** Somebody asks for something: the next try is made now, but not one upon the other. */
    #hurry() {
      if (this.#state !== 'waiting' || Date.now() - this.#tried < this.#options.hurry) return;
      clearTimeout(this.#retry);
      this.#enter('idle');
    }

    #connect() {
      if (this.#state !== 'idle') return;
      this.#tried = Date.now();
      const { url, WebSocket = root.WebSocket } = this.#options;
      this.#enter('connecting');
      let socket;
      try {
        socket = new WebSocket(url);
      } catch (error) {
        // No such address, or no WebSocket at all: trying again would not help.
        this.#enter('closed');
        for (const call of [...this.#calls.values()]) call.done(refusal(call, 'closed', String(error)));
        return;
      }
      this.#socket = socket;
      socket.onopen = () => this.#opened();
      socket.onmessage = (message) => this.#frame(message.data);
      // What went wrong a browser does not tell; that it is closed comes as well.
      socket.onerror = () => {};
      socket.onclose = ({ code }) => {
        if (this.#socket !== socket) return;
        this.#socket = null;
        if (this.#state === 'closed') return;
        if (code === NOT_ADMITTED) {
          // Who is told so may show another token, and call again.
          const calls = [...this.#calls.values()];
          this.#enter('refused');
          for (const call of calls) call.done(refusal(call, 'refused'));
          return;
        }
        this.#enter('waiting');
        this.#lose();
        const { firstDelay, longestDelay } = this.#options;
        const delay = Math.min(firstDelay * 2 ** this.#failures++, longestDelay);
        // Somebody who was told so may have asked for a connection already.
        if (this.#state !== 'waiting') return;
        // Not all clients of a bridge that comes back at the same moment.
        this.#retry = setTimeout(() => {
          this.#enter('idle');
          this.#connect();
        }, delay * (0.75 + Math.random() / 4));
      };
    }

    /** The connection as it was: token, listeners, what was started; then calls that wait to be sent. */
    #opened() {
      if (this.#options.token) this.#write({ token: this.#options.token });
      this.#enter('open');
      for (const channel of this.#listeners.keys()) if (channel !== LAGGED) this.#write({ on: channel });
      for (const start of this.#started.values()) {
        this.call(start.name, start.params).then((reply) => {
          if (!reply.success) this.#complain(start.params?.action ?? start.name, reply);
        });
      }
      for (const call of this.#calls.values()) if (!call.sent) this.#send(call);
    }

    #send(call) {
      if (this.#state !== 'open') {
        // What acts must not act a minute after somebody has asked for it.
        call.timer ??= setTimeout(() => {
          if (!call.sent) call.done(refusal(call, call.asked ? 'interrupted' : 'unreachable'));
        }, this.#options.patience);
        return;
      }
      clearTimeout(call.timer);
      call.timer = null;
      [call.sent, call.asked] = [true, true];
      this.#write({ call: call.name, params: call.params, id: call.id });
    }

    /** The connection is gone: what may be asked again waits for the next one, all else is answered. */
    #lose() {
      for (const call of [...this.#calls.values()]) {
        if (!call.sent) continue;
        if (WAITS.has(call.action) && call.params.event !== 'close' && this.#state !== 'closed') {
          call.sent = false;
          this.#send(call);
        } else {
          call.done(refusal(call, 'lost'));
        }
      }
    }

    #frame(text) {
      let frame;
      try {
        frame = JSON.parse(text);
      } catch {
        return;
      }
      this.#failures = 0;
      const call = this.#calls.get(frame.id);
      if (frame.call !== undefined) {
        if (!call) return;
        const res = frame.res ?? frame;
        if (res.success) this.#remember(call);
        call.done(res);
      } else if (frame.channel !== undefined) {
        for (const [start, it] of STARTS) if (it.once && it.channel === frame.channel) this.#started.delete(start);
        for (const callback of [...(this.#listeners.get(frame.channel) ?? [])]) run(callback, { data: frame.data });
      } else if (frame.on !== undefined && !frame.success) {
        this.#complain(frame.on, frame);
      } else if (call && frame.on === undefined && frame.off === undefined) {
        // What the bridge did not take for a call is answered with its id alone.
        const { success, message, data } = frame;
        call.done(formed(call, { success, message, data }));
      }
    }

    /** Keeps what is to be started anew on the next connection, unless its end has been asked for since. */
    #remember({ id, name, params, action = name }) {
      if (!STARTS.has(action) || params?.event === 'close' || this.#ended.get(action) > id) return;
      this.#started.set(action, { name, params });
    }

    /** What somebody asks to be stopped is not started anew, whether the bridge hears of that or not. */
    #forget({ id, name, params, action = name }) {
      const start = params?.event === 'close' ? action : STOPS.get(action);
      if (STARTS.has(start)) this.#end(start, id);
    }

    /** Of this start's calls those before `id` are over. */
    #end(start, id) {
      this.#started.delete(start);
      this.#ended.set(start, id);
    }

    #write(frame) {
      this.#socket.send(JSON.stringify(frame));
    }

    #complain(what, reply) {
      const { onerror } = this.#options;
      if (onerror) run(onerror, { what, ...reply });
      else root.console?.warn(`hharome: ${what}: ${reply.data?.error?.detail ?? reply.message}`);
    }

    #enter(state) {
      if (this.#state === state) return;
      this.#state = state;
      if (this.#options.onstate) run(this.#options.onstate, state);
    }
  }

  const WORDS = {
    lost: ['与设备服务的连接中断,不能确定操作是否已执行', 'the connection broke before the reply: it may have been carried out'],
    interrupted: ['与设备服务的连接中断,请重试', 'the connection broke while it waited, and there was none in time to ask again'],
    unreachable: ['未连接到设备服务,请稍后再试', 'no connection to the bridge: it was not sent'],
    refused: ['访问令牌不正确', 'the bridge refuses the token: it was not carried out'],
    closed: ['连接已关闭', 'the connection was closed: it was not sent'],
  };

  /** The reply to a call that the bridge has not answered. */
  function refusal(call, why, more) {
    const [message, detail] = WORDS[why === 'closed' && call.asked ? 'lost' : why];
    const data = { error: { kind: 'disconnected', detail: more ? `${detail} (${more})` : detail } };
    return formed(call, { success: false, message, data });
  }

  /** An answer in the form of the bridge's own replies to such a call. */
  function formed(call, answer) {
    if (call.name !== ENVELOPE) return answer;
    const { action = '', event = 'open', taskId = '' } = call.params ?? {};
    return { action, event, taskId, ...answer };
  }

  /** A callback's mistakes are its own: they end no connection and no other callback. */
  function run(callback, value) {
    try {
      callback(value);
    } catch (error) {
      if (typeof root.reportError === 'function') root.reportError(error);
      else setTimeout(() => { throw error; });
    }
  }

  /** A `my` that is connected to a bridge. */
  function connect(options = {}) {
    return new Bridge({ ...options, url: options.url ?? USUAL_URL });
  }

  const hharome = { connect, tables: { waits: [...WAITS], starts: Object.fromEntries(STARTS) } };
  root.hharome = hharome;
  if (typeof module === 'object' && module.exports) module.exports = hharome;
  // As a plain script: what mini-programs' page code expects to be there. A module has no current script.
  const script = root.document?.currentScript;
  if (script && root.my === undefined) {
    const { url, token } = script.dataset;
    root.my = connect({ ...(url && { url }), ...(token && { token }) });
  }
})(globalThis);

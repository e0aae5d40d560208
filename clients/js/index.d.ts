// What hharome.js exports. Actions, channels and calls themselves are in protocol.d.ts, which is written
// from the protocol crate.

import type { Actions, Calls, Channels } from './protocol.js';

export type { Actions, Calls, Channels, Flag, JsonString, Num } from './protocol.js';

/** Why not: `data.error` of every failure that the vendor does not document. */
export interface Failure {
  kind:
    | 'bad_request' | 'forbidden' | 'unsupported' | 'device_unavailable' | 'device_busy' | 'device_failed' | 'internal'
    /** Ours: the bridge did not answer; whether it got the request says `detail`. */
    | 'disconnected';
  detail: string;
}

/** What `ampeHHCommunication` is called with. */
export type ActionRequest<A extends keyof Actions = keyof Actions> = A extends keyof Actions
  ? {
      action: A;
      /** Left out: `open`. */
      event?: 'open' | 'close';
      taskId: string | number;
      params?: Actions[A]['params'];
    }
  : never;

/** A yes with its data, or a no with why. */
export type Outcome<D> =
  | { success: true; message: string; data: D }
  | { success: false; message: string; data: { error?: Failure; [more: string]: unknown } };

/** The reply to an action. */
export type ActionReply<A extends keyof Actions> = {
  action: A;
  event: 'open' | 'close';
  taskId: string | number;
} & Outcome<Actions[A]['data']>;

/** How a connection is. */
export type State = 'idle' | 'connecting' | 'open' | 'waiting' | 'refused' | 'closed';

/** What a mini-program tells a kiosk by. */
export interface SystemInfo {
  arome_deviceId: string;
  platform: string;
  version: string;
  model: string;
  screenWidth: number;
  screenHeight: number;
  windowWidth: number;
  windowHeight: number;
  pixelRatio: number;
  language: string;
}

/** A connection to a bridge: what `my` is to a mini-program's page code. */
export interface Bridge {
  call<A extends keyof Actions>(
    name: 'ampeHHCommunication',
    request: Extract<ActionRequest, { action: A }> & { action: A },
    callback?: (reply: ActionReply<A>) => void,
  ): Promise<ActionReply<A>>;
  call<C extends keyof Calls>(
    name: C,
    params?: Calls[C]['params'],
    callback?: (reply: Outcome<Calls[C]['data']>) => void,
  ): Promise<Outcome<Calls[C]['data']>>;

  on<C extends keyof Channels>(channel: C, callback: (event: { data: Channels[C] }) => void): void;
  on(channel: 'bridgeLagged', callback: (event: { data: { channel: string; dropped: number } }) => void): void;
  off(channel: keyof Channels | 'bridgeLagged', callback?: (event: never) => void): void;

  getSystemInfo(callbacks?: {
    success?: (info: SystemInfo) => void;
    fail?: (error: { error: number; errorMessage: string }) => void;
    complete?: (result: SystemInfo | { error: number; errorMessage: string }) => void;
  }): Promise<SystemInfo | { error: number; errorMessage: string }>;

  readonly state: State;
  /** Connects now, without waiting for the first call. */
  open(): void;
  setToken(token: string): void;
  /** Ends the connection for good. */
  close(): void;
}

export interface Options {
  /** Left out: the bridge of this machine, `ws://127.0.0.1:17802/ws`. */
  url?: string;
  /** The `token` of `[listen]`, where one is configured. */
  token?: string;
  /** A WebSocket class where there is none: of the package `ws` in Node before 22. */
  WebSocket?: new (url: string) => unknown;
  /** ms to the first try after a lost connection; then twice as long each time. */
  firstDelay?: number;
  /** ms between tries at most. */
  longestDelay?: number;
  /** ms that a call waits for a connection before it is answered `disconnected`. */
  patience?: number;
  /** ms that have to lie between two tries when a call asks for one at once. */
  hurry?: number;
  onstate?: (state: State) => void;
  /** A channel that could not be opened, or not opened again. */
  onerror?: (error: { what: string; success: false; message: string; data: { error?: Failure } }) => void;
}

/** A `my` that is connected to a bridge, when it is first needed. */
export function connect(options?: Options): Bridge;

declare const hharome: { connect: typeof connect };
export default hharome;

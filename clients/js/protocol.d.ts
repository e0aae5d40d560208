// Written from the protocol crate by `make types`; not by hand.

/** A whole or other number; strings of digits are read, too. */
export type Num = number | `${number}`;

/** A truth. */
export type Flag = boolean | 'true' | 'false';

/** What each action wants, and what its success holds. */
export interface Actions {
  /** readies the face service; takes about two seconds */
  initFace: {
    params: {
      serviceId?: string;
      query?: string;
      /** separated by commas, without blanks */
      scope: string;
    };
    data: Record<string, never>;
  };
  /** who stands there */
  getFaceInfo: {
    params: Record<string, never>;
    data: {
      /** whose face */
      alipayUid: string;
      /** 1000 */
      code: number;
      /** {"authCode":…}, to be used once */
      extInfo: string;
      ftoken: string;
      isvResult: boolean;
      subCode: string;
      subMessage: string;
      vid: string;
    };
  };
  /** whether it is this person */
  getFaceInfoPersonCard: {
    params: {
      certName: string;
      certNo: string;
      /** the photo of the card */
      certPhotoBase64Str?: string;
    };
    data: {
      /** whose face */
      alipayUid: string;
      /** 1000 */
      code: number;
      /** {"authCode":…}, to be used once */
      extInfo: string;
      ftoken: string;
      isvResult: boolean;
      subCode: string;
      subMessage: string;
      vid: string;
    };
  };
  /** enrols a face */
  doStorageFaceInfo: {
    params: {
      appid: string;
      orgOutId: string;
      componentOutId: string;
      isvPid: string;
      /** second path: of the refusal */
      uniqueId?: string;
      /** second path */
      name?: string;
      /** second path */
      certNo?: string;
      /** second path */
      phone?: string;
    };
    data: JsonString<{
      eventType: 'rocketResult';
      eventData: {
        uid?: string;
        ftoken?: string;
        authCode?: string;
        vid?: string;
        bizId?: string;
        /** of a refusal: for the second path */
        uniqueId?: string;
        subCode: string;
        subMessage: string;
      };
    }>;
  };
  /** waits for one card */
  getIDCardInfo: {
    params: {
      /** the parts that are wanted; left out: all */
      infoType?: string;
    };
    data: {
      /** part base */
      name?: string;
      /** part base */
      idNum?: string;
      /** part other: who issued the card */
      signingOrganization?: string;
      /** part other: as the chip has it, full-width digits included */
      address?: string;
      /** part other: without 族; of a foreigner three letters */
      nation?: string;
      /** part other */
      sex?: '男' | '女' | '未知' | '未说明';
      /** part other: YYYYMMDD */
      beginTime?: string;
      /** part other: YYYYMMDD or 长期 */
      endTime?: string;
      /** part other: YYYYMMDD */
      birthDate?: string;
      /** part photo: a JPEG */
      photoBase64?: string;
      /** part photo: the chip's own picture, where there is no JPEG of it */
      photoWltBase64?: string;
    };
  };
  /** ends what waits for a card */
  closeIDCardInfo: {
    params: {
      /** ignored */
      infoType?: string;
    };
    data: Record<string, never>;
  };
  /** waits for one code */
  getQRCode: {
    params: Record<string, never>;
    data: {
      /** the text in the code */
      qrCode: string;
    };
  };
  /** sound from now on */
  startMicrophoneListener: {
    params: {
      /** signed decimals in place of base64 */
      isMicrophoneSourceData?: Flag;
      /** ignored */
      intervalTime?: Num;
    };
    data: Record<string, never>;
  };
  /** no more sound */
  stopMicrophoneListener: {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** begins one recording (deprecated) */
  startMicrophone: {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** ends it (deprecated) */
  stopMicrophone: {
    params: Record<string, never>;
    data: {
      /** an MP3 */
      voiceContent: string;
    };
  };
  /** what this connection has going */
  getMicrophoneState: {
    params: Record<string, never>;
    data: {
      /** the listener */
      microphoneListenerState: 0 | 1;
      /** the recording */
      microphoneState: 0 | 1;
    };
  };
  /** what kiosk this is */
  getDeviceInfo: {
    params: Record<string, never>;
    data: {
      sn: string;
      deviceModel: string;
      appVersion: string;
      androidVersion: string;
      deviceIP: string;
      /** the firmware */
      devicedDisplay: string;
    };
  };
  /** says a text */
  speech: {
    params: {
      text: string;
      /** 1.0 is normal */
      pitch?: Num;
      /** 1.0 is normal */
      rate?: Num;
      /** 0: after what is being said, 1: in its place */
      speechQueue?: 0 | '0' | 1 | '1';
    };
    data: Record<string, never>;
  };
  /** silence */
  speechStop: {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** waits for a typed ID number */
  enterIDNumber: {
    params: Record<string, never>;
    data: {
      /** what was typed */
      idNum: string;
      alipayUid: string;
      /** 1000 */
      code: number;
      extInfo: string;
      ftoken: string;
      isvResult: boolean;
      subCode: string;
      subMessage: string;
      vid: string;
    };
  };
  /** prints texts and pictures */
  receiptPrinting: {
    params: {
      /** in order */
      printList: Array<{
        /** may hold line breaks */
        text?: string;
        /** height in dots; left out: 26 */
        textSize?: Num;
        bold?: Flag;
        /** the vendor's spelling; align is read, too */
        algin?: 'left' | 'center' | 'right';
        align?: 'left' | 'center' | 'right';
        /** a picture */
        imageBase64?: string;
        /** in dots; left out: the picture's own */
        width?: Num;
        /** in dots; left out: the picture's own */
        height?: Num;
      }>;
    };
    data: Record<string, never>;
  };
  /** presence from now on */
  startInfraredInductionListener: {
    params: {
      /** 2000 to 5000 ms; left out: 3000 */
      intervalTime?: Num;
    };
    data: Record<string, never>;
  };
  /** no more presence */
  stopInfraredInductionListener: {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** shows a picture on the second screen */
  openSecondaryScreen: {
    params: {
      secondaryScreenBase64: string;
    };
    data: Record<string, never>;
  };
  /** takes it away */
  closeSecondaryScreen: {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** whether one is shown */
  getSecondaryScreenState: {
    params: Record<string, never>;
    data: {
      /** 1 shown, 0 closed, -1 no second screen */
      getSecondaryScreenState: 1 | 0 | -1;
    };
  };
  /** waits for one social-security card */
  getSocialSecurityCardInfo: {
    params: Record<string, never>;
    data: {
      cardNumber: string;
      name: string;
      sex: string;
      idNumber: string;
      /** YYYYMMDD */
      birthDate: string;
      /** YYYYMMDD */
      issueDate: string;
      /** YYYYMMDD */
      expireDate: string;
      nation: string;
      cityCode: string;
      address: string;
      /** of the card's specification */
      fullVersion: string;
    };
  };
  /** readies the reader, and opens its channel */
  socialSecurityCardConfig: {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** CPU cards from now on */
  startCPUCardLoopRead: {
    params: {
      /** ms until the same card is told again; left out: 1000 */
      intervalTime?: Num;
      /** tell also that there is none */
      isComeBackFailed?: Flag;
    };
    data: Record<string, never>;
  };
  /** no more CPU cards */
  stopCPUCardLoopRead: {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** powers up a CPU card */
  readOnceCPUCardInfo: {
    params: Record<string, never>;
    data: {
      /** the ATS in hex; -1 to -5: no card, or it cannot be used */
      nfc_cardInfo: string;
    };
  };
  /** one command to a card */
  sendCPUCardCommand: {
    params: {
      /** hex */
      commandApdu: string;
      /** 1: CPU card, 2: PSAM */
      type: 1 | '1' | 2 | '2';
      /** the PSAM's slot; left out: 1 */
      slot?: 1 | '1' | 2 | '2';
    };
    data: {
      /** data and status word in hex; -1, -2: it could not be sent */
      nfc_resultInfo: string;
    };
  };
  /** commands to a card, until one fails */
  sendCPUCardApduCommands: {
    params: {
      /** hex */
      commandApdus: Array<string>;
      /** 1: CPU card, 2: PSAM */
      type: 1 | '1' | 2 | '2';
      /** the PSAM's slot; left out: 1 */
      slot?: 1 | '1' | 2 | '2';
    };
    data: {
      /** data and status words in hex */
      nfc_commandResults: Array<string>;
    };
  };
  /** powers up a PSAM */
  psamCardColdReset: {
    params: {
      /** the PSAM's slot; left out: 1 */
      slot?: 1 | '1' | 2 | '2';
    };
    data: {
      /** data and status word in hex; -1, -2: it could not be sent */
      nfc_resultInfo: string;
    };
  };
  /** beeps */
  startBuzzer: {
    params: {
      /** ms */
      beep: Num;
    };
    data: Record<string, never>;
  };
  /** navigation bar, notification bar, exit; for this run */
  deviceConfig: {
    params: {
      deviceConfig: {
        /** 1: close the mini-program */
        exitApplet?: 1 | '1';
        /** 1: hide, 2: show */
        hideNavigationBar?: 1 | '1' | 2 | '2';
        /** 1: off, 2: on (the vendor's spelling) */
        hindeNotificationBar?: 1 | '1' | 2 | '2';
        /** the same */
        hideNotificationBar?: 1 | '1' | 2 | '2';
      };
    };
    data: Record<string, never>;
  };
}

/** JSON of this shape in a string. */
export type JsonString<T> = string & { readonly json?: T };

/** The data of each channel's events. */
export interface Channels {
  /** every ID card */
  initIDCardListener: {
    /** part base */
    name?: string;
    /** part base */
    idNum?: string;
    /** part other: who issued the card */
    signingOrganization?: string;
    /** part other: as the chip has it, full-width digits included */
    address?: string;
    /** part other: without 族; of a foreigner three letters */
    nation?: string;
    /** part other */
    sex?: '男' | '女' | '未知' | '未说明';
    /** part other: YYYYMMDD */
    beginTime?: string;
    /** part other: YYYYMMDD or 长期 */
    endTime?: string;
    /** part other: YYYYMMDD */
    birthDate?: string;
    /** part photo: a JPEG */
    photoBase64?: string;
    /** part photo: the chip's own picture, where there is no JPEG of it */
    photoWltBase64?: string;
  };
  /** every code */
  initQRListener: {
    /** the text in the code */
    qrCode: string;
  };
  /** sound: PCM, 16 kHz, 16 bit, mono; opened by startMicrophoneListener */
  initMicrophoneListener: {
    /** base64 with line breaks, or signed decimals in brackets */
    voiceContent?: string;
    /** with isMicrophoneSourceData: the same again */
    voicecontent?: string;
  };
  /** presence, once an interval; opened by startInfraredInductionListener */
  initInfraredInductionListener: {
    /** 1: somebody is there */
    inductionCode: '0' | '1';
  };
  /** every social-security card */
  socialSecurityCardListener: {
    cardNumber: string;
    name: string;
    sex: string;
    idNumber: string;
    /** YYYYMMDD */
    birthDate: string;
    /** YYYYMMDD */
    issueDate: string;
    /** YYYYMMDD */
    expireDate: string;
    nation: string;
    cityCode: string;
    address: string;
    /** of the card's specification */
    fullVersion: string;
  };
  /** CPU cards; opened by startCPUCardLoopRead */
  CPUCardListener: {
    /** the ATS in hex */
    nfc_cardInfo: string;
    /** -1: there is none */
    code: 0 | -1;
  };
  /** nobody has operated the kiosk for long; opened by ampeStartOperationWatcher */
  ampeOperationTimeout: Record<string, never>;
  /** all devices at once, then each change */
  bridgeDevices: {
    devices: Array<{
      /** its section in the configuration */
      device: string;
      driver: string;
      simulated: boolean;
      state: 'ready' | 'busy' | 'absent' | 'failed' | 'off';
      /** ms since 1970-01-01 UTC */
      since: number;
      /** in English */
      lastError?: string;
      counters: Record<string, number>;
      /** what the device said of itself */
      facts: Record<string, string>;
      cannot: Array<string>;
    }>;
  };
  /** how this connection's calls come along */
  bridgeCalls: {
    action: string;
    /** as it came */
    taskId: unknown;
    /** waiting: put the card now */
    stage: 'queued' | 'waiting' | 'reading' | 'done';
  };
  /** whether a typed number is wanted; for the kiosk's shell */
  bridgeKeypad: {
    wanted: boolean;
    /** which one is wanted: another number is another person */
    request?: number;
    /** how long it is waited for yet; absent: for ever */
    leftMs?: number;
  };
  /** what is wanted of the kiosk's shell */
  bridgeDeviceConfig: {
    /** 1: close the mini-program */
    exitApplet?: 1;
    /** 1: hide, 2: show */
    hideNavigationBar?: 1 | 2;
    /** 1: off, 2: on */
    hindeNotificationBar?: 1 | 2;
  };
  /** what passes at all clients; for the panel and programs on the Unix socket */
  bridgeFrames: {
    frames: Array<{
      /** microseconds since 1970-01-01 UTC */
      at: number;
      /** number of the connection */
      client: number;
      transport: 'unix' | 'tcp' | 'ws' | 'panel' | 'page';
      what: 'connected' | 'in' | 'out' | 'admitted' | 'refused' | 'too_long' | 'stage' | 'stalled' | 'flowing' | 'gone';
      action?: string;
      /** as it came */
      taskId?: unknown;
      /** of a reply */
      success?: boolean;
      /** of a call */
      stage?: 'queued' | 'waiting' | 'reading' | 'done';
      /** of a frame */
      bytes?: number;
      /** of a frame: masked and shortened */
      text?: string;
    }>;
    /** so many before them are missing */
    missed: number;
  };
}

/** The calls of their own names. */
export interface Calls {
  /** starts the count-down of inactivity */
  ampeStartOperationWatcher: {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** what this bridge is and serves */
  'bridge.describe': {
    params: Record<string, never>;
    data: {
      version: string;
      /** the wire's version */
      protocol: {
        major: number;
        minor: number;
      };
      actions: Array<string>;
      channels: Array<string>;
      calls: Array<string>;
      limits: {
        maxFrameBytes: number;
        streamEvents: number;
        pauseFrames: number;
        maxFrames: number;
        maxBytes: number;
        maxCalls: number;
        /** ms until nobody is taken to operate the kiosk; 0 for never */
        operationTimeout?: number;
      };
      devices: Array<{
        device: string;
        driver: string;
        state: 'ready' | 'busy' | 'absent' | 'failed' | 'off';
        simulated: boolean;
      }>;
    };
  };
  /** how its devices and connections are */
  'bridge.status': {
    params: Record<string, never>;
    data: {
      devices: Array<{
        /** its section in the configuration */
        device: string;
        driver: string;
        simulated: boolean;
        state: 'ready' | 'busy' | 'absent' | 'failed' | 'off';
        /** ms since 1970-01-01 UTC */
        since: number;
        /** in English */
        lastError?: string;
        counters: Record<string, number>;
        /** what the device said of itself */
        facts: Record<string, string>;
        cannot: Array<string>;
      }>;
      connections: number;
      /** lost to slow clients */
      dropped: {
        streamEvents: number;
        clients: number;
      };
    };
  };
  /** ends all calls and listeners of this connection */
  'bridge.reset': {
    params: Record<string, never>;
    data: Record<string, never>;
  };
  /** the last hundred print jobs */
  'bridge.jobs': {
    params: Record<string, never>;
    data: {
      /** oldest first */
      jobs: Array<{
        id: number;
        /** as it came */
        taskId: unknown;
        /** ms since 1970-01-01 UTC */
        at: number;
        outcome: 'queued' | 'printing' | 'printed' | 'sent' | 'failed' | 'unknown';
        detail?: string;
      }>;
    };
  };
  /** works a simulated device */
  'bridge.simulate': {
    params: {
      /** its section in the configuration */
      device: string;
      /** the verb: put, lift, scan, fault, … */
      do: string;
      /** put: a person's or card's name, or a card described */
      card?: unknown;
      /** scan, type: what; paper: rows of dots; outcome: which */
      text?: string;
      /** fault: which; none ends it */
      fault?: string;
      /** psam */
      slot?: 1 | '1' | 2 | '2';
      /** tone */
      hz?: Num;
      /** wav: a file */
      wav?: string;
    };
    data: Record<string, never>;
  };
  /** the recording of what passes */
  'bridge.record': {
    params: {
      do: 'start' | 'stop' | 'status';
      /** start: the recording's */
      name?: string;
      /** start: on the Unix socket only */
      keepPersonalData?: Flag;
    };
    data: {
      recording: boolean;
      name?: string;
      folder?: string;
      bytes: number;
      /** why the last one ended */
      ended?: string;
    };
  };
  /** what a simulated device shows: receipts, the second screen */
  'bridge.look': {
    params: {
      device: 'printer' | 'second_screen';
    };
    data: {
      /** the last few, oldest first */
      pictures: Array<{
        /** counts up with each receipt */
        number: number;
        /** cut off */
        finished: boolean;
        /** in dots */
        width: number;
        /** in dots */
        height: number;
        pngBase64: string;
      }>;
    };
  };
  /** answers or cancels the typed ID number that is waited for */
  'bridge.keypad': {
    params: {
      do: 'enter' | 'cancel';
      /** enter: the number */
      idNum?: string;
      /** which one the keypad has shown; enter: required */
      request?: Num;
    };
    data: Record<string, never>;
  };
}

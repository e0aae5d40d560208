// A mini-program's page code as its author writes it, checked against the types; not run.

import { connect, type ActionReply } from 'hharome';

const my = connect({ url: 'ws://127.0.0.1:17802/ws' });

my.call('ampeHHCommunication', { action: 'getIDCardInfo', event: 'open', taskId: '3', params: { infoType: 'base,photo' } }, (res) => {
  if (res.success) console.log(res.data.name, res.data.photoBase64?.length);
  else console.log(res.message, res.data.error?.kind);
});

my.call('ampeHHCommunication', {
  action: 'receiptPrinting', taskId: 7,
  params: { printList: [{ text: '合计', textSize: '26', bold: true, algin: 'center' }, { imageBase64: '', width: 376 }] },
});
my.call('ampeHHCommunication', { action: 'sendCPUCardCommand', taskId: '1', params: { commandApdu: '0084000008', type: '1', slot: 2 } });
my.call('ampeHHCommunication', { action: 'startMicrophoneListener', taskId: '1', params: { intervalTime: 1000, isMicrophoneSourceData: false } });
my.call('ampeHHCommunication', { action: 'deviceConfig', taskId: '1', params: { deviceConfig: { hindeNotificationBar: 1 } } });
my.call('ampeStartOperationWatcher', {}, () => {});
my.on('CPUCardListener', ({ data }) => console.log(data.nfc_cardInfo, data.code === -1));
my.on('bridgeLagged', ({ data }) => console.log(data.dropped + 1));

const jobs = await my.call('bridge.jobs');
if (jobs.success) console.log(jobs.data.jobs[0]?.outcome === 'printed');
const reply: ActionReply<'getMicrophoneState'> = await my.call('ampeHHCommunication', { action: 'getMicrophoneState', taskId: '1' });
if (reply.success) console.log(reply.data.microphoneState === 1);

// @ts-expect-error There is no such action.
my.call('ampeHHCommunication', { action: 'getIdCardInfo', taskId: '3' });
// @ts-expect-error A receipt without anything to print.
my.call('ampeHHCommunication', { action: 'receiptPrinting', taskId: '3', params: {} });
// @ts-expect-error There is no such channel.
my.on('initIdCardListener', () => {});
// @ts-expect-error There is no third slot.
my.call('ampeHHCommunication', { action: 'psamCardColdReset', taskId: '1', params: { slot: 3 } });

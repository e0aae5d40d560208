/* A reader driver for tests: an IFD handler, version 3, of pcsc-lite. Its readers are made up by the
 * test that starts pcscd, and their cards are programs that connect to Unix sockets.
 *
 * A reader's DEVICENAME is `far:PREFIX:SLOTS`. Files and sockets beside PREFIX:
 *
 *   PREFIX.N       slot N listens here. A connection is a card that is put in, its end a card that
 *                  is taken away. It speaks vsmartcard's "vpcd" protocol: each message is its length
 *                  in two bytes, big-endian, and as many bytes. One byte to the card is a control: 0
 *                  off, 1 on, 2 reset, 4 tell the ATR, and only 4 is answered (with no bytes: a mute
 *                  card). Anything longer is a command, and is answered.
 *   PREFIX.reader  a program that listens here is the reader's own electronics: every SCardControl
 *                  is a connection to it, code (four bytes, big-endian) and command in one message
 *                  as above; its answer is one byte, 1 for understood, and the reply. Nobody there,
 *                  or another byte: the reader does not know the command.
 *   PREFIX.gone    while there is such a file, the reader's cable is pulled.
 *
 * pcscd calls from several threads: one that waits for cards in each slot, one for each client. The
 * card's socket belongs to whoever holds the slot's lock; the waiting thread only looks at it. */

#define _GNU_SOURCE
#include <errno.h>
#include <ifdhandler.h>
#include <poll.h>
#include <pthread.h>
#include <reader.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SLOTS_AT_MOST 32
/* An exchange may take longer than anybody above us waits; a card that is no program of a test hangs
 * pcscd no longer than this. */
#define EXCHANGE_MS 60000
#define ATR_MS 5000
/* How long a pulled cable may go unseen. */
#define LOOK_MS 200
#define LONGEST 65535

struct slot {
	atomic_int used;
	DWORD lun;
	unsigned slots;
	char prefix[90];
	pthread_mutex_t lock;
	int listener, waker;
	atomic_int card;
	/* A card went since pcscd last asked: it must hear "none" once, else the next card would pass
	 * for the same one. */
	atomic_int vacated;
	UCHAR atr[MAX_ATR_SIZE];
	DWORD atr_length;
};

static struct slot all[SLOTS_AT_MOST];
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;

static struct slot *slot_of(DWORD lun)
{
	for (int i = 0; i < SLOTS_AT_MOST; i++)
		if (all[i].used && all[i].lun == lun)
			return &all[i];
	return NULL;
}

static int address(struct sockaddr_un *to, const char *prefix, const char *name)
{
	memset(to, 0, sizeof *to);
	to->sun_family = AF_UNIX;
	int n = snprintf(to->sun_path, sizeof to->sun_path, "%s.%s", prefix, name);
	return n > 0 && (size_t)n < sizeof to->sun_path ? 0 : -1;
}

static int pulled(const char *prefix)
{
	char path[100];
	struct stat about;
	snprintf(path, sizeof path, "%s.gone", prefix);
	return stat(path, &about) == 0;
}

static void card_went(struct slot *s)
{
	int card = atomic_exchange(&s->card, -1);
	if (card >= 0) {
		close(card);
		s->atr_length = 0;
		s->vacated = 1;
	}
}

static int say(int socket, const UCHAR *bytes, size_t length)
{
	UCHAR head[2] = { length >> 8, length };
	struct iovec parts[2] = { { head, 2 }, { (void *)bytes, length } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	size_t left = length + 2;
	if (length > LONGEST)
		return -1;
	while (left) {
		ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		left -= sent;
		for (int i = 0; i < 2; i++) {
			size_t of_this = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
			parts[i].iov_base = (UCHAR *)parts[i].iov_base + of_this;
			parts[i].iov_len -= of_this;
			sent -= of_this;
		}
	}
	return 0;
}

enum heard { HEARD, GONE, SILENT };

static enum heard hear_bytes(int socket, UCHAR *bytes, size_t length, int limit_ms)
{
	while (length) {
		struct pollfd waiting = { socket, POLLIN, 0 };
		int ready = poll(&waiting, 1, limit_ms);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			return SILENT;
		ssize_t got = recv(socket, bytes, length, 0);
		if (got <= 0)
			return GONE;
		bytes += got;
		length -= got;
	}
	return HEARD;
}

static enum heard hear(int socket, UCHAR *bytes, DWORD *length, int limit_ms)
{
	UCHAR head[2];
	enum heard how = hear_bytes(socket, head, 2, limit_ms);
	if (how != HEARD)
		return how;
	DWORD n = (DWORD)head[0] << 8 | head[1];
	if (n > *length)
		return GONE;
	*length = n;
	return hear_bytes(socket, bytes, n, limit_ms);
}

/* What a card says unasked, or too late, is no answer to the next command. */
static void forget_late_answers(int socket)
{
	UCHAR rest[512];
	while (recv(socket, rest, sizeof rest, MSG_DONTWAIT) > 0)
		;
}

RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR device)
{
	char prefix[90], number[12];
	unsigned slots;
	struct sockaddr_un here;
	struct slot *s = NULL;

	if (sscanf(device, "far:%89[^:]:%u", prefix, &slots) != 2 || pulled(prefix))
		return IFD_NO_SUCH_DEVICE;
	snprintf(number, sizeof number, "%u", (unsigned)(lun & 0xFFFF));
	if (address(&here, prefix, number))
		return IFD_NO_SUCH_DEVICE;

	pthread_mutex_lock(&all_lock);
	for (int i = 0; i < SLOTS_AT_MOST && !s; i++)
		if (!all[i].used)
			s = &all[i];
	if (s) {
		memset(s, 0, sizeof *s);
		pthread_mutex_init(&s->lock, NULL);
		s->lun = lun;
		s->slots = slots;
		s->card = -1;
		strcpy(s->prefix, prefix);
		s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		s->waker = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		unlink(here.sun_path);
		if (bind(s->listener, (void *)&here, sizeof here) || listen(s->listener, 4)) {
			close(s->listener);
			close(s->waker);
			s = NULL;
		} else {
			s->used = 1;
		}
	}
	pthread_mutex_unlock(&all_lock);
	return s ? IFD_SUCCESS : IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel)
{
	(void)lun, (void)channel;
	return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHCloseChannel(DWORD lun)
{
	struct slot *s = slot_of(lun);
	struct sockaddr_un here;
	char number[12];
	if (!s)
		return IFD_SUCCESS;
	pthread_mutex_lock(&s->lock);
	card_went(s);
	close(s->listener);
	close(s->waker);
	snprintf(number, sizeof number, "%u", (unsigned)(lun & 0xFFFF));
	if (!address(&here, s->prefix, number))
		unlink(here.sun_path);
	s->used = 0;
	pthread_mutex_unlock(&s->lock);
	return IFD_SUCCESS;
}

/* pcscd's own thread for this slot sleeps here. It powers an unused card off when this returns, so
 * it must not return before something happened or its time is over. */
static RESPONSECODE wait_for_change(DWORD lun, int limit_ms)
{
	struct timespec begun, now;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (;;) {
		struct slot *s = slot_of(lun);
		if (!s)
			return IFD_NO_SUCH_DEVICE;
		int card = s->card;
		struct pollfd waiting[2] = {
			{ s->waker, POLLIN, 0 },
			{ card >= 0 ? card : s->listener, card >= 0 ? POLLRDHUP : POLLIN, 0 },
		};
		int ready = poll(waiting, 2, LOOK_MS);
		uint64_t told;
		if (waiting[0].revents && read(s->waker, &told, sizeof told) < 0)
			return IFD_SUCCESS;
		if (pulled(s->prefix))
			return IFD_NO_SUCH_DEVICE;
		if (ready || s->vacated)
			return IFD_SUCCESS;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 >= limit_ms)
			return IFD_SUCCESS;
	}
}

static RESPONSECODE stop_waiting(DWORD lun)
{
	struct slot *s = slot_of(lun);
	uint64_t one = 1;
	if (s && write(s->waker, &one, sizeof one) < 0)
		return IFD_COMMUNICATION_ERROR;
	return IFD_SUCCESS;
}

static RESPONSECODE give(PUCHAR value, PDWORD length, const void *what, size_t size)
{
	if (*length < size)
		return IFD_ERROR_INSUFFICIENT_BUFFER;
	memcpy(value, what, size);
	*length = size;
	return IFD_SUCCESS;
}

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value)
{
	struct slot *s = slot_of(lun);
	UCHAR number;
	RESPONSECODE (*wait)(DWORD, int) = wait_for_change;
	RESPONSECODE (*stop)(DWORD) = stop_waiting;

	switch (tag) {
	case TAG_IFD_ATR:
	case SCARD_ATTR_ATR_STRING:
		return s ? give(value, length, s->atr, s->atr_length) : IFD_ERROR_TAG;
	case TAG_IFD_SIMULTANEOUS_ACCESS:
		number = 16;
		return give(value, length, &number, 1);
	case TAG_IFD_THREAD_SAFE:
	case TAG_IFD_SLOT_THREAD_SAFE:
		number = 1;
		return give(value, length, &number, 1);
	case TAG_IFD_SLOTS_NUMBER:
		number = s ? s->slots : 1;
		return give(value, length, &number, 1);
	case TAG_IFD_POLLING_THREAD_KILLABLE:
		number = 0;
		return give(value, length, &number, 1);
	case TAG_IFD_POLLING_THREAD_WITH_TIMEOUT:
		return give(value, length, &wait, sizeof wait);
	case TAG_IFD_STOP_POLLING_THREAD:
		return give(value, length, &stop, sizeof stop);
	default:
		return IFD_ERROR_TAG;
	}
}

RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value)
{
	(void)lun, (void)tag, (void)length, (void)value;
	return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1, UCHAR pts2, UCHAR pts3)
{
	(void)lun, (void)protocol, (void)flags, (void)pts1, (void)pts2, (void)pts3;
	return IFD_SUCCESS;
}

static RESPONSECODE power(struct slot *s, DWORD action, PUCHAR atr, PDWORD atr_length)
{
	UCHAR control = action == IFD_POWER_DOWN ? 0 : action == IFD_RESET ? 2 : 1;
	UCHAR tell_atr = 4;

	s->atr_length = 0;
	if (s->card < 0)
		return action == IFD_POWER_DOWN ? IFD_SUCCESS : IFD_ERROR_POWER_ACTION;
	forget_late_answers(s->card);
	if (say(s->card, &control, 1)) {
		card_went(s);
		return IFD_ERROR_POWER_ACTION;
	}
	if (action == IFD_POWER_DOWN)
		return IFD_SUCCESS;
	DWORD length = sizeof s->atr;
	enum heard heard = say(s->card, &tell_atr, 1)
		? GONE : hear(s->card, s->atr, &length, ATR_MS);
	if (heard == GONE)
		card_went(s);
	if (heard != HEARD || length == 0)
		return IFD_ERROR_POWER_ACTION;
	s->atr_length = length;
	memcpy(atr, s->atr, length);
	*atr_length = length;
	return IFD_SUCCESS;
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD atr_length)
{
	struct slot *s = slot_of(lun);
	if (!s || pulled(s->prefix))
		return IFD_NO_SUCH_DEVICE;
	pthread_mutex_lock(&s->lock);
	*atr_length = 0;
	RESPONSECODE done = power(s, action, atr, atr_length);
	pthread_mutex_unlock(&s->lock);
	return done;
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER how, PUCHAR command, DWORD command_length,
	PUCHAR answer, PDWORD answer_length, PSCARD_IO_HEADER answered_how)
{
	struct slot *s = slot_of(lun);
	RESPONSECODE done = IFD_SUCCESS;
	DWORD length = *answer_length;

	*answer_length = 0;
	if (!s || pulled(s->prefix))
		return IFD_NO_SUCH_DEVICE;
	pthread_mutex_lock(&s->lock);
	if (s->card < 0) {
		done = IFD_ICC_NOT_PRESENT;
	} else {
		forget_late_answers(s->card);
		enum heard heard = say(s->card, command, command_length)
			? GONE : hear(s->card, answer, &length, EXCHANGE_MS);
		if (heard == GONE) {
			/* As with a real reader: the exchange failed, and that the card went is seen next. */
			card_went(s);
			done = IFD_COMMUNICATION_ERROR;
		} else if (heard == SILENT) {
			done = IFD_RESPONSE_TIMEOUT;
		} else {
			*answer_length = length;
			if (answered_how)
				answered_how->Protocol = how.Protocol;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return done;
}

RESPONSECODE IFDHICCPresence(DWORD lun)
{
	struct slot *s = slot_of(lun);
	if (!s || pulled(s->prefix))
		return IFD_NO_SUCH_DEVICE;
	pthread_mutex_lock(&s->lock);
	if (s->card >= 0) {
		struct pollfd end = { s->card, POLLRDHUP, 0 };
		if (poll(&end, 1, 0) > 0)
			card_went(s);
	}
	if (!atomic_exchange(&s->vacated, 0) && s->card < 0)
		s->card = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	int present = s->card >= 0;
	pthread_mutex_unlock(&s->lock);
	return present ? IFD_ICC_PRESENT : IFD_ICC_NOT_PRESENT;
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR command, DWORD command_length,
	PUCHAR reply, DWORD reply_size, LPDWORD reply_length)
{
	struct slot *s = slot_of(lun);
	struct sockaddr_un there;
	UCHAR message[LONGEST], answer[LONGEST];
	DWORD length = sizeof answer;
	RESPONSECODE done = IFD_ERROR_NOT_SUPPORTED;

	*reply_length = 0;
	if (!s || pulled(s->prefix))
		return IFD_NO_SUCH_DEVICE;
	if (command_length > sizeof message - 4 || address(&there, s->prefix, "reader"))
		return IFD_COMMUNICATION_ERROR;
	int reader = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < 4; i++)
		message[i] = code >> (24 - 8 * i);
	memcpy(message + 4, command, command_length);
	if (!connect(reader, (void *)&there, sizeof there) && !say(reader, message, command_length + 4)
		&& hear(reader, answer, &length, EXCHANGE_MS) == HEARD && length > 0 && answer[0] == 1) {
		if (length - 1 > reply_size) {
			done = IFD_ERROR_INSUFFICIENT_BUFFER;
		} else {
			memcpy(reply, answer + 1, length - 1);
			*reply_length = length - 1;
			done = IFD_SUCCESS;
		}
	}
	close(reader);
	return done;
}

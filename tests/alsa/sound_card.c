/*
 * A sound card for tests, as a plug-in of alsa-lib: a microphone that hears what is in a file, and a
 * loudspeaker that is heard in a file, both at the pace of the clock. No kernel driver, no daemon.
 *
 * Built and configured by mod.rs beside this file. In ALSA's configuration:
 *
 *   pcm_type.sound_card { lib "/path/of/this/library.so" }
 *   pcm.NAME { type sound_card  folder "/path"  rate 48000  channels 2  period 1024 }
 *
 * `rate` and `channels` restrict what the card can do, as hardware does; without them it takes 8 to
 * 48 kHz, mono or stereo. `period` is the longest period in bytes, 65536 without it: programs that
 * ask for none get the longest, and some fill whole periods with silence. The samples are 16 bits,
 * little-endian, interleaved. In the folder:
 *
 *   voice   what the microphone hears. Its first frame is heard when a program first starts to
 *           capture after opening, and the sound goes on by the clock, whether anybody reads or not:
 *           what is lost in an overrun is lost. After its end there is silence.
 *   began   when that first frame was heard: nanoseconds of CLOCK_MONOTONIC, as text.
 *   played  what the loudspeaker has played is added to it.
 *   gone    while this file exists the card is unplugged: nothing opens, and what is open ends.
 *   held    while this file exists opening says that another program has the card.
 *   hung    while this file exists a program that waits for sound waits for ever.
 *
 * A program that reads more slowly than the buffer fills has an overrun, one that writes too slowly
 * an underrun: EPIPE, as the kernel has it.
 */

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_A_SECOND 1000000000LL

/* The library asks for the position again and again: looking at the folder each time would be most of
 * what a program takes for its sound. */
#define LOOK_EVERY (NS_A_SECOND / 500)

struct card {
    snd_pcm_ioplug_t io;
    char folder[PATH_MAX];
    int file;            /* voice or played; -1 where there is none */
    int timer;           /* ticks once a period */
    int running;
    int heard_before;    /* `first_start` is set */
    long long first_start;
    long long start;     /* of this run */
    long long looked;    /* when `gone` and `hung` were looked for */
    int gone, hung;
};

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * NS_A_SECOND + time.tv_nsec;
}

static int exists(const struct card *card, const char *name)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/%s", card->folder, name);
    return access(path, F_OK) == 0;
}

static void look(struct card *card)
{
    const long long time = now();

    if (time - card->looked < LOOK_EVERY)
        return;
    card->looked = time;
    card->gone = exists(card, "gone");
    card->hung = exists(card, "hung");
}

static int is_gone(struct card *card)
{
    look(card);
    return card->gone;
}

static int is_hung(struct card *card)
{
    look(card);
    return card->hung;
}

static int capturing(const struct card *card)
{
    return card->io.stream == SND_PCM_STREAM_CAPTURE;
}

/* Frames that have passed since then. */
static long long frames_since(const struct card *card, long long then)
{
    return (now() - then) * card->io.rate / NS_A_SECOND;
}

static void set_timer(struct card *card, long long every)
{
    struct timespec time = { every / NS_A_SECOND, every % NS_A_SECOND };
    struct itimerspec both = { time, time };

    timerfd_settime(card->timer, 0, &both, NULL);
}

static void clear_timer(struct card *card)
{
    uint64_t ticks;

    (void)!read(card->timer, &ticks, sizeof ticks);
}

static void tell_when_it_began(const struct card *card)
{
    char path[PATH_MAX + 16];
    FILE *file;

    snprintf(path, sizeof path, "%s/began", card->folder);
    file = fopen(path, "we");
    if (!file)
        return;
    fprintf(file, "%lld\n", card->first_start);
    fclose(file);
}

static int unplugged(struct card *card)
{
    if (!is_gone(card))
        return 0;
    snd_pcm_ioplug_set_state(&card->io, SND_PCM_STATE_DISCONNECTED);
    return 1;
}

static int on_prepare(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;

    if (unplugged(card))
        return -ENODEV;
    card->running = 0;
    /* Playback waits for room before it is started. */
    set_timer(card, NS_A_SECOND * io->period_size / io->rate);
    return 0;
}

static int on_start(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;

    if (unplugged(card))
        return -ENODEV;
    card->start = now();
    if (!card->heard_before) {
        card->heard_before = 1;
        card->first_start = card->start;
        if (capturing(card))
            tell_when_it_began(card);
    }
    card->running = 1;
    clear_timer(card);
    set_timer(card, NS_A_SECOND * io->period_size / io->rate);
    return 0;
}

static int on_stop(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;

    card->running = 0;
    set_timer(card, 0);
    return 0;
}

static snd_pcm_sframes_t on_pointer(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;
    long long passed;

    if (is_gone(card))
        return -ENODEV;
    if (!card->running)
        return 0;
    passed = frames_since(card, card->start);
    if (capturing(card)) {
        /* At exactly one buffer the position would look as if it had not moved. */
        if (passed - (long long)io->appl_ptr >= (long long)io->buffer_size)
            return -EPIPE;
    } else if (passed > (long long)io->appl_ptr) {
        if (io->state != SND_PCM_STATE_DRAINING)
            return -EPIPE;
        passed = io->appl_ptr;
    }
    return passed % io->buffer_size;
}

/* What the microphone has heard from the frame `first` of this run on. */
static void hear(struct card *card, char *into, long long first, size_t frames)
{
    const size_t frame = 2 * card->io.channels;
    const long long before =
        (card->start - card->first_start) * card->io.rate / NS_A_SECOND;
    ssize_t got = 0;

    if (card->file >= 0)
        got = pread(card->file, into, frames * frame, (before + first) * frame);
    if (got < 0)
        got = 0;
    memset(into + got, 0, frames * frame - got);
}

static snd_pcm_sframes_t on_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                     snd_pcm_uframes_t offset, snd_pcm_uframes_t frames)
{
    struct card *card = io->private_data;
    char *place = (char *)areas->addr + areas->first / 8 + offset * (areas->step / 8);
    long long first = io->appl_ptr;

    while (is_hung(card))
        usleep(1000);
    if (unplugged(card))
        return -ENODEV;
    if (!capturing(card)) {
        const char *rest = place;
        size_t bytes = frames * 2 * io->channels;

        while (card->file >= 0 && bytes > 0) {
            ssize_t written = write(card->file, rest, bytes);
            if (written <= 0)
                break;
            rest += written;
            bytes -= written;
        }
        return frames;
    }
    if (io->access != SND_PCM_ACCESS_RW_INTERLEAVED) {
        /* Here the area is the ring, and the library asks for the same frames again and again. */
        const snd_pcm_uframes_t at = io->appl_ptr % io->buffer_size;
        first += (offset + io->buffer_size - at) % io->buffer_size;
    }
    hear(card, place, first, frames);
    return frames;
}

static int on_poll(snd_pcm_ioplug_t *io, struct pollfd *polled, unsigned int count,
                   unsigned short *events)
{
    struct card *card = io->private_data;
    long long passed;

    *events = 0;
    if (count == 0 || is_hung(card)) {
        clear_timer(card);
        return 0;
    }
    if (unplugged(card)) {
        *events = POLLERR;
        return 0;
    }
    if (!(polled->revents & POLLIN))
        return 0;
    clear_timer(card);
    passed = card->running ? frames_since(card, card->start) : 0;
    if (capturing(card)) {
        if (passed > (long long)io->appl_ptr)
            *events = POLLIN;
    } else if ((long long)io->appl_ptr < passed + (long long)io->buffer_size) {
        *events = POLLOUT;
    }
    return 0;
}

static int on_drain(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;

    while (card->running && !is_gone(card)
           && frames_since(card, card->start) < (long long)io->appl_ptr)
        usleep(1000);
    return 0;
}

static int on_close(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;

    if (card->file >= 0)
        close(card->file);
    close(card->timer);
    free(card);
    return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
    .prepare = on_prepare,
    .start = on_start,
    .stop = on_stop,
    .pointer = on_pointer,
    .transfer = on_transfer,
    .poll_revents = on_poll,
    .drain = on_drain,
    .close = on_close,
};

/* From `least` to `most`, or nothing but `only` where that is not 0. */
static int restrict_to(snd_pcm_ioplug_t *io, int what, long only, unsigned int least,
                       unsigned int most)
{
    const unsigned int list[] = { only };

    if (only)
        return snd_pcm_ioplug_set_param_list(io, what, 1, list);
    return snd_pcm_ioplug_set_param_minmax(io, what, least, most);
}

static int can_do(snd_pcm_ioplug_t *io, long rate, long channels, long period)
{
    static const unsigned int access[] = { SND_PCM_ACCESS_MMAP_INTERLEAVED,
                                           SND_PCM_ACCESS_RW_INTERLEAVED };
    static const unsigned int format[] = { SND_PCM_FORMAT_S16_LE };
    int error;

    error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);
    if (error >= 0)
        error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, format);
    if (error >= 0)
        error = restrict_to(io, SND_PCM_IOPLUG_HW_CHANNELS, channels, 1, 2);
    if (error >= 0)
        error = restrict_to(io, SND_PCM_IOPLUG_HW_RATE, rate, 8000, 48000);
    if (error >= 0)
        error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 64,
                                                 period ? period : 65536);
    if (error >= 0)
        error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 32);
    return error;
}

SND_PCM_PLUGIN_DEFINE_FUNC(sound_card)
{
    snd_config_iterator_t each, next;
    const char *folder = NULL;
    long rate = 0, channels = 0, period = 0;
    struct card *card;
    char path[PATH_MAX + 16];
    int error;

    (void)root;
    snd_config_for_each(each, next, conf) {
        snd_config_t *entry = snd_config_iterator_entry(each);
        const char *key;

        if (snd_config_get_id(entry, &key) < 0 || !strcmp(key, "type") || !strcmp(key, "comment")
            || !strcmp(key, "hint"))
            continue;
        if (!strcmp(key, "folder")) {
            snd_config_get_string(entry, &folder);
        } else if (!strcmp(key, "rate")) {
            snd_config_get_integer(entry, &rate);
        } else if (!strcmp(key, "channels")) {
            snd_config_get_integer(entry, &channels);
        } else if (!strcmp(key, "period")) {
            snd_config_get_integer(entry, &period);
        } else {
            SNDERR("sound_card does not know the key %s", key);
            return -EINVAL;
        }
    }
    if (!folder) {
        SNDERR("sound_card needs a folder");
        return -EINVAL;
    }
    card = calloc(1, sizeof *card);
    if (!card)
        return -ENOMEM;
    snprintf(card->folder, sizeof card->folder, "%s", folder);
    if (exists(card, "gone") || exists(card, "held")) {
        error = exists(card, "gone") ? -ENODEV : -EBUSY;
        free(card);
        return error;
    }
    if (stream == SND_PCM_STREAM_CAPTURE) {
        snprintf(path, sizeof path, "%s/voice", folder);
        card->file = open(path, O_RDONLY | O_CLOEXEC);
    } else {
        snprintf(path, sizeof path, "%s/played", folder);
        card->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    }
    card->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    card->io.version = SND_PCM_IOPLUG_VERSION;
    card->io.name = "a sound card made of files";
    card->io.callback = &callbacks;
    card->io.private_data = card;
    card->io.poll_fd = card->timer;
    card->io.poll_events = POLLIN;
    error = snd_pcm_ioplug_create(&card->io, name, stream, mode);
    if (error < 0) {
        on_close(&card->io);
        return error;
    }
    error = can_do(&card->io, rate, channels, period);
    if (error < 0) {
        snd_pcm_ioplug_delete(&card->io);
        return error;
    }
    *pcmp = card->io.pcm;
    return 0;
}

SND_PCM_PLUGIN_SYMBOL(sound_card);

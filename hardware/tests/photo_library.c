/* A stand-in for a vendor's photo library, with one behaviour a build (-DMODE_...).
 * The picture has four fields: red and green above, blue and white below. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WIDTH 102
#define HEIGHT 126

/* Red, green, blue of a pixel; row 0 is the bottom row. */
static void pixel(int row, int column, unsigned char *rgb) {
    int upper = row >= HEIGHT / 2, right = column >= WIDTH / 2;
    rgb[0] = upper != right ? 255 : 0;
    rgb[1] = right ? 255 : 0;
    rgb[2] = upper ? 0 : 255;
}

static void raw(unsigned char *target) {
    for (int row = 0; row < HEIGHT; row++)
        for (int column = 0; column < WIDTH; column++)
            pixel(row, column, target + (row * WIDTH + column) * 3);
}

static int bmp(unsigned char *target) {
    static const unsigned char head[54] = {
        'B', 'M', 0xCE, 0x97, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0,
        WIDTH, 0, 0, 0, HEIGHT, 0, 0, 0, 1, 0, 24};
    unsigned char rgb[3], *at = target;
    memcpy(at, head, sizeof head);
    at += sizeof head;
    for (int row = 0; row < HEIGHT; row++) {
        for (int column = 0; column < WIDTH; column++) {
            pixel(row, column, rgb);
            *at++ = rgb[2];
            *at++ = rgb[1];
            *at++ = rgb[0];
        }
        *at++ = 0;
        *at++ = 0;
    }
    return (int)(at - target);
}

#ifdef MODE_OTHER
int decode(char *source) { return source[0]; }
#else
int unpack(char *source, char *target, int mode) {
    unsigned char *out = (unsigned char *)target;
    /* Whatever it does, it must have been given a photo. */
    if (memcmp(source, "WLf\0~\0", 6) != 0) return -99;
    (void)mode, (void)raw, (void)bmp, (void)out;
#if defined(MODE_RAW)
    raw(out);
    return 1;
#elif defined(MODE_FORKS)
    raw(out);
    /* Something that outlives the call and holds what it inherited. */
    if (fork() == 0) {
        for (;;) pause();
    }
    return 1;
#elif defined(MODE_BMP)
    bmp(out);
    return 1;
#elif defined(MODE_FILE)
    static unsigned char picture[65536];
    int length = bmp(picture);
    FILE *file = fopen("zp.bmp", "wb");
    if (!file) return -3;
    fwrite(picture, 1, (size_t)length, file);
    fclose(file);
    return 1;
#elif defined(MODE_TALKS)
    printf("decoding\n");
    fprintf(stderr, "returned: 7\n");
    fflush(stdout);
    raw(out);
    return 1;
#elif defined(MODE_VENDOR)
    if (mode != 158) return 0;
    raw(out);
    return 1;
#elif defined(MODE_ALONE)
    /* Fails if another one is at work. */
    struct timespec moment = {0, 50 * 1000 * 1000};
    int lock = open(LOCK, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (lock < 0) return -7;
    nanosleep(&moment, NULL);
    unlink(LOCK);
    raw(out);
    return 1;
#elif defined(MODE_CRASHES)
    *(volatile int *)0 = 1;
    return 1;
#elif defined(MODE_HANGS)
    FILE *file = fopen(PID_FILE, "w");
    if (!file) return -3;
    fprintf(file, "%ld", (long)getpid());
    fclose(file);
    for (;;) pause();
#elif defined(MODE_EXITS)
    _exit(0);
#elif defined(MODE_EXITS_BADLY)
    _exit(9);
#elif defined(MODE_REFUSES)
    return -5;
#elif defined(MODE_NOTHING)
    return 1;
#endif
}
#endif

/* Opens many WebSockets and counts what arrives: cheap enough not to be what a benchmark measures.
 *
 * receiver PORT SOCKETS AT_ONCE MARKER OPTIONS SAMPLE_EVERY < plan and commands
 *
 * Standard input begins with the plan: one record per socket, that is two 32-bit little-endian lengths, then the
 * handshake request and the frames that follow its answer. Of AT_ONCE sockets at most the handshake is under way.
 * Every data frame of MIN_BYTES or more is one update, and the number after MARKER in it is the Unix time at which it
 * was sent. OPTIONS are letters: m, an update is an occurrence of MARKER (a server that puts several into one frame);
 * d, deaf: read nothing after the handshake; f, do not only wait for each handshake but for each first update.
 *
 * One line of JSON is written once all sockets are open, and one for each command line:
 *   zero   start counting anew          tell   say what was counted
 *   wake   begin to read (d)            quit   end (so does the end of the input)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MIN_BYTES = 100, BUFFER = 1 << 18, BUCKETS = 1 << 20, BUCKET_US = 20, DEADLINE_S = 60, EVENTS = 1 << 14, NAP_US = 1000 };
enum state { UNBORN, HANDSHAKE, OPEN, REFUSED, CLOSED };

struct client {
    int fd;
    enum state state;
    uint32_t request_bytes, hello_bytes;
    char *request, *hello, *part;
    size_t part_bytes;
    long updates;
    int has_first, is_fresh;
};

static struct client *clients;
static int sockets, at_once, next_client, pending, sample_every, marker_bytes, epoll_fd;
static int by_marker, is_deaf, wait_first;
static const char *marker;
static long opened, refused, closed, first, fresh, updates, bytes, reads, samples, skipped;
static double opened_s, first_s, fresh_s, began, woken;
static uint32_t buckets[BUCKETS];
static char buffer[BUFFER + BUFFER];
static char last_refusal[128];

static double clock_s(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void read_all(void *into, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t got = read(0, (char *)into + done, size - done);
        if (got <= 0) fail("plan");
        done += (size_t)got;
    }
}

static void watch(int number, int operation) {
    struct epoll_event interest = {.events = EPOLLIN, .data.u32 = (uint32_t)number};
    if (epoll_ctl(epoll_fd, operation, clients[number].fd, &interest)) fail("epoll_ctl");
}

static void start(int number, int port) {
    struct client *client = &clients[number];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0) fail("socket");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    int little = 16 * 1024; /* a deaf peer is felt once the kernel's buffers are full */
    if (is_deaf) setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    /* On loopback a connect returns as soon as the listener's backlog takes it. */
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    client->state = HANDSHAKE;
    pending++;
    if (send(client->fd, client->request, client->request_bytes, MSG_NOSIGNAL) < 0) fail("send");
    watch(number, EPOLL_CTL_ADD);
}

static void end(struct client *client) {
    if (client->state == HANDSHAKE) pending--;
    if (client->state == HANDSHAKE) refused++;
    if (client->state == OPEN) closed++;
    client->state = client->state == OPEN ? CLOSED : REFUSED;
    close(client->fd);
}

static void answer(struct client *client, unsigned char opcode, const char *text, size_t size) {
    char frame[6 + 125] = {(char)(0x80 | opcode), (char)(0x80 | size)}; /* a mask of zeros is a mask */
    memcpy(frame + 6, text, size);
    (void)!send(client->fd, frame, 6 + size, MSG_NOSIGNAL);
}

/* The number is read by hand: strtod takes longer than all the rest. */
static double number_at(const char *at, const char *until) {
    double whole = 0, part = 0, scale = 1;
    while (at < until && (*at < '0' || *at > '9')) at++;
    for (; at < until && *at >= '0' && *at <= '9'; at++) whole = whole * 10 + (*at - '0');
    if (at < until && *at == '.')
        for (at++; at < until && *at >= '0' && *at <= '9'; at++) part = part * 10 + (*at - '0'), scale *= 10;
    return whole + part / scale;
}

static void update(struct client *client, const char *payload, size_t size, double now) {
    updates++;
    client->updates++;
    if (!client->has_first) {
        client->has_first = 1;
        first++;
        first_s = clock_s(CLOCK_MONOTONIC) - began;
    }
    if (updates % sample_every && !(woken > 0 && !client->is_fresh)) return;
    const char *found = memmem(payload, size, marker, (size_t)marker_bytes);
    if (!found) {
        skipped++;
        return;
    }
    double age = now - number_at(found + marker_bytes, payload + size);
    long bucket = (long)(age * 1e6 / BUCKET_US);
    buckets[bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket]++;
    samples++;
    if (woken > 0 && !client->is_fresh && age <= 1.0) {
        client->is_fresh = 1;
        fresh++;
        fresh_s = clock_s(CLOCK_MONOTONIC) - woken;
    }
}

static void frame(struct client *client, unsigned char opcode, const char *payload, size_t size, double now) {
    if (opcode == 0x9 && size <= 125) answer(client, 0xA, payload, size);
    if (opcode == 0x8) client->state = CLOSED, closed++, close(client->fd);
    if (opcode != 0x1 && opcode != 0x2) return;
    if (size == 1 && *payload == '2') answer(client, 0x1, "3", 1); /* Engine.IO asks whether we live */
    if (size == 6 && !memcmp(payload, "PING\r\n", 6)) answer(client, 0x2, "PONG\r\n", 6); /* so does NATS */
    if (size < MIN_BYTES) return;
    if (!by_marker) {
        update(client, payload, size, now);
        return;
    }
    const char *at = payload, *until = payload + size, *found;
    while ((found = memmem(at, (size_t)(until - at), marker, (size_t)marker_bytes))) {
        update(client, found, (size_t)(until - found), now);
        at = found + marker_bytes;
    }
}

/* Returns how many bytes of what has arrived are whole frames. */
static size_t frames(struct client *client, const char *all, size_t size, double now) {
    size_t at = 0;
    while (client->state == OPEN && size - at >= 2) {
        const unsigned char *head = (const unsigned char *)all + at;
        size_t length = head[1] & 0x7F, start = 2;
        if (length == 126) start = 4;
        if (length == 127) start = 10;
        if (size - at < start) break;
        if (start > 2) {
            length = 0;
            for (size_t i = 2; i < start; i++) length = length << 8 | head[i];
        }
        if (length > BUFFER) fail("a frame that is longer than the buffer");
        if (size - at < start + length) break;
        frame(client, head[0] & 0x0F, (const char *)head + start, length, now);
        at += start + length;
    }
    return at;
}

static size_t handshake(int number, const char *all, size_t size) {
    struct client *client = &clients[number];
    const char *finish = memmem(all, size, "\r\n\r\n", 4);
    if (!finish) return 0;
    if (size < 12 || memcmp(all, "HTTP/1.1 101", 12)) {
        snprintf(last_refusal, sizeof last_refusal, "%.*s", (int)strcspn(all, "\r\n\""), all);
        end(client);
        return size;
    }
    client->state = OPEN;
    pending--;
    opened++;
    opened_s = clock_s(CLOCK_MONOTONIC) - began;
    if (client->hello_bytes && send(client->fd, client->hello, client->hello_bytes, MSG_NOSIGNAL) < 0) fail("send");
    if (is_deaf) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
    return (size_t)(finish + 4 - all);
}

static void readable(int number) {
    struct client *client = &clients[number];
    if (client->state != OPEN && client->state != HANDSHAKE) return;
    memcpy(buffer, client->part, client->part_bytes);
    ssize_t got = recv(client->fd, buffer + client->part_bytes, BUFFER, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        end(client);
        return;
    }
    reads++;
    bytes += got;
    double now = clock_s(CLOCK_REALTIME);
    size_t size = client->part_bytes + (size_t)got, used = 0;
    if (client->state == HANDSHAKE) used = handshake(number, buffer, size);
    if (client->state == OPEN) used += frames(client, buffer + used, size - used, now);
    size_t left = size - used;
    if (left > client->part_bytes || !left) client->part = left ? realloc(client->part, left) : client->part;
    memcpy(client->part, buffer + used, left);
    client->part_bytes = left;
}

static double percentile_ms(double share) {
    long seen = 0, wanted = (long)((double)samples * share);
    for (long bucket = 0; bucket < BUCKETS; bucket++)
        if ((seen += buckets[bucket]) > wanted) return ((double)bucket + 0.5) * BUCKET_US / 1e3;
    return (double)BUCKETS * BUCKET_US / 1e3;
}

static void tell(void) {
    long fewest = sockets ? clients[0].updates : 0, most = 0;
    for (int i = 0; i < sockets; i++) {
        if (clients[i].updates < fewest) fewest = clients[i].updates;
        if (clients[i].updates > most) most = clients[i].updates;
    }
    printf("{\"opened\":%ld,\"refused\":%ld,\"closed\":%ld,\"opened_s\":%.6f,\"first\":%ld,\"first_s\":%.6f,"
           "\"updates\":%ld,\"fewest\":%ld,\"most\":%ld,\"bytes\":%ld,\"reads\":%ld,\"samples\":%ld,\"skipped\":%ld,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"cpu_s\":%.6f,\"fresh\":%ld,\"fresh_s\":%.6f,"
           "\"refusal\":\"%s\"}\n",
           opened, refused, closed, opened_s, first, first_s, updates, fewest, most, bytes, reads, samples, skipped,
           samples ? percentile_ms(0.50) : 0, samples ? percentile_ms(0.99) : 0, samples ? percentile_ms(0.9999999) : 0,
           clock_s(CLOCK_PROCESS_CPUTIME_ID), fresh, fresh_s, last_refusal);
    fflush(stdout);
}

static void zero(void) {
    updates = bytes = reads = samples = skipped = 0;
    memset(buckets, 0, sizeof buckets);
    for (int i = 0; i < sockets; i++) clients[i].updates = 0;
}

static void wake(void) {
    woken = clock_s(CLOCK_MONOTONIC);
    for (int i = 0; i < sockets; i++)
        if (clients[i].state == OPEN) watch(i, EPOLL_CTL_ADD);
}

static void command(void) {
    char line[64];
    ssize_t got = read(0, line, sizeof line);
    if (got <= 0 || !memcmp(line, "quit", 4)) exit(0);
    if (!memcmp(line, "zero", 4)) zero();
    if (!memcmp(line, "wake", 4)) wake();
    tell();
}

static int all_there(void) {
    long over = opened + refused;
    return over == sockets && (!wait_first || first + closed >= opened);
}

int main(int count, char **arguments) {
    if (count != 7) return fprintf(stderr, "usage: receiver PORT SOCKETS AT_ONCE MARKER OPTIONS SAMPLE_EVERY\n"), 2;
    int port = atoi(arguments[1]), told = 0;
    sockets = atoi(arguments[2]);
    at_once = atoi(arguments[3]);
    marker = arguments[4];
    marker_bytes = (int)strlen(marker);
    by_marker = strchr(arguments[5], 'm') != NULL;
    is_deaf = strchr(arguments[5], 'd') != NULL;
    wait_first = strchr(arguments[5], 'f') != NULL;
    sample_every = atoi(arguments[6]);
    clients = calloc((size_t)sockets + 1, sizeof *clients);
    for (int i = 0; i < sockets; i++) {
        read_all(&clients[i].request_bytes, 4);
        read_all(&clients[i].hello_bytes, 4);
        clients[i].request = malloc(clients[i].request_bytes + clients[i].hello_bytes + 1);
        clients[i].hello = clients[i].request + clients[i].request_bytes;
        read_all(clients[i].request, clients[i].request_bytes + clients[i].hello_bytes);
    }
    epoll_fd = epoll_create1(0);
    struct epoll_event commands = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    static struct epoll_event ready[EVENTS];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &commands);
    began = clock_s(CLOCK_MONOTONIC);
    for (;;) {
        while (next_client < sockets && pending < at_once) start(next_client++, port);
        int found = epoll_wait(epoll_fd, ready, EVENTS, told ? -1 : 100);
        /* What comes in the next millisecond is read at one go, and no server pays for waking us with each frame. */
        if (told && found > 0) usleep(NAP_US);
        for (int i = 0; i < found; i++) {
            if (ready[i].data.u32 == UINT32_MAX) command();
            else readable((int)ready[i].data.u32);
        }
        if (!told && (all_there() || clock_s(CLOCK_MONOTONIC) - began > DEADLINE_S)) told = 1, tell();
    }
}

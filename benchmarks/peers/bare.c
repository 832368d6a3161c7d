/* What the kernel asks for one write per socket and update, and nothing else: no server, the floor below every server.

   usage: bare PORT. A socket that asks for /publish sends masked text frames "channel text"; every other one gets the
   text of each. Requests and frames come in one piece, as this benchmark's publisher and receiver send them. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 20000
#define CHUNK 65536
#define EXTENDED 126

static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static int members[SOCKETS_MAX], count, publisher = -1;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int poller, int fd, int on) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poller, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event) < 0) die("epoll_ctl");
}

static void open_socket(int poller, int fd) {
    char request[CHUNK];
    ssize_t size = recv(fd, request, sizeof request - 1, 0);
    watch(poller, fd, 0);
    if (size <= 0) {
        close(fd);
        return;
    }
    request[size] = 0;
    if (write(fd, answer, sizeof answer - 1) < 0) die("answer");
    if (strncmp(request, "GET /publish", 12) == 0) {
        publisher = fd;
        watch(poller, fd, 1);
    } else if (count < SOCKETS_MAX) {
        members[count++] = fd;
    }
}

static void publish(const unsigned char *text, size_t length) {
    unsigned char frame[CHUNK + 4] = {0x81};
    size_t head = 2;
    if (length < EXTENDED) {
        frame[1] = length;
    } else {
        frame[1] = EXTENDED, frame[2] = length >> 8, frame[3] = length & 255, head = 4;
    }
    memcpy(frame + head, text, length);
    for (int i = 0; i < count;) {
        if (send(members[i], frame, head + length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            close(members[i]);
            members[i] = members[--count];
        } else {
            i++;
        }
    }
}

static void read_frames(void) {
    static unsigned char data[2 * CHUNK];
    static size_t held;
    ssize_t size = recv(publisher, data + held, sizeof data - held, 0);
    if (size <= 0) exit(0);
    held += size;
    size_t at = 0;
    while (held - at > 8) {
        unsigned char *frame = data + at;
        size_t length = frame[1] & 127, head = 2;
        if (length == EXTENDED) length = frame[2] << 8 | frame[3], head = 4;
        if (held - at < head + 4 + length) break;
        unsigned char *mask = frame + head, *text = mask + 4, *space;
        for (size_t i = 0; i < length; i++) text[i] ^= mask[i & 3];
        space = memchr(text, ' ', length);
        if (space) publish(space + 1, text + length - space - 1);
        at += head + 4 + length;
    }
    memmove(data, data + at, held -= at);
}

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc != 2) return 2;
    here.sin_port = htons(atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 4096) < 0) die("listen");
    watch(poller, listener, 1);
    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                fd = accept(listener, NULL, NULL);
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watch(poller, fd, 1);
            } else if (fd == publisher) {
                read_frames();
            } else {
                open_socket(poller, fd);
            }
        }
    }
}

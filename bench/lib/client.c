/* A load client that is not the bottleneck: frames of protocol 1 over Unix sockets, answers counted and timed.
 *
 *   client SOCKET OPCODE PAYLOAD REQUESTS CLIENTS DEPTH
 *
 * CLIENTS connections, each with DEPTH requests under way. `%d` in PAYLOAD becomes the request's number.
 * Prints one JSON object: microseconds as p50, p95, p99, max (per round trip of one batch), and requests a second. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 17, BUFFER = 1 << 21 };

struct peer {
  int fd;
  double sent_at;
  long under_way;   /* requests not yet answered */
  size_t have;      /* bytes of answers not yet parsed */
  unsigned char *in;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void fail(const char *what) {
  fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
  exit(1);
}

static size_t frame(unsigned char *out, int opcode, const char *payload, long number) {
  char text[8192];
  int length = snprintf(text, sizeof text, payload, number);
  uint32_t magic = 0x41474e54, size = (uint32_t)length;
  memset(out, 0, HEADER);
  memcpy(out, &magic, 4);
  out[8] = (unsigned char)opcode;
  memcpy(out + 9, &size, 4);
  memcpy(out + HEADER, text, size);
  return HEADER + size;
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: client SOCKET OPCODE PAYLOAD REQUESTS CLIENTS DEPTH\n");
    return 2;
  }
  int opcode = atoi(argv[2]);
  const char *payload = argv[3];
  long requests = atol(argv[4]), clients = atol(argv[5]), depth = atol(argv[6]);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  struct peer *peers = calloc(clients, sizeof *peers);
  struct pollfd *polls = calloc(clients, sizeof *polls);
  double *times = malloc((requests / depth + clients + 1) * sizeof *times);
  unsigned char *out = malloc(BUFFER);
  long measured = 0, started = 0, answered = 0;

  for (long i = 0; i < clients; i++) {
    peers[i].fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(peers[i].fd, (void *)&address, sizeof address) < 0) fail("connect");
    peers[i].in = malloc(BUFFER);
    polls[i] = (struct pollfd){.fd = peers[i].fd, .events = POLLIN};
  }
  double begin = now();
  for (;;) {
    int idle = 1;
    for (long i = 0; i < clients; i++) {
      struct peer *p = &peers[i];
      if (p->under_way == 0 && started < requests) {
        size_t length = 0;
        for (long d = 0; d < depth && started < requests; d++, started++, p->under_way++)
          length += frame(out + length, opcode, payload, started);
        p->sent_at = now();
        for (size_t at = 0; at < length;) {
          ssize_t n = write(p->fd, out + at, length - at);
          if (n < 0) fail("write");
          at += (size_t)n;
        }
      }
      if (p->under_way > 0) idle = 0;
    }
    if (idle) break;
    if (clients > 1 && poll(polls, (nfds_t)clients, -1) < 0) fail("poll");
    for (long i = 0; i < clients; i++) {
      struct peer *p = &peers[i];
      if (clients > 1 && !(polls[i].revents & POLLIN)) continue;
      if (p->under_way == 0) continue;
      ssize_t n = read(p->fd, p->in + p->have, BUFFER - p->have);
      if (n <= 0) fail("read");
      p->have += (size_t)n;
      size_t at = 0;
      while (p->have - at >= HEADER) {
        uint32_t size;
        memcpy(&size, p->in + at + 9, 4);
        if (p->have - at < HEADER + size) break;
        at += HEADER + size;
        p->under_way--;
        answered++;
      }
      memmove(p->in, p->in + at, p->have - at);
      p->have -= at;
      if (p->under_way == 0) times[measured++] = now() - p->sent_at;
    }
  }
  double seconds = (now() - begin) / 1e6;
  qsort(times, (size_t)measured, sizeof *times, by_value);
#define P(q) times[(long)((measured - 1) * (q))]
  printf("{\"p50\":%.2f,\"p95\":%.2f,\"p99\":%.2f,\"max\":%.2f,\"rate\":%.0f,\"answered\":%ld}\n", P(0.5), P(0.95), P(0.99),
         P(1.0), answered / seconds, answered);
  return 0;
}

// Part of starve.c: one run of a program tells what it does without any one of its allocations. At
// each of them a child is forked which is refused that one, and goes on to its end while the parent
// waits; then another, which is refused all later ones, too. Forking ends at the first thread, and
// where the program makes a folder, for then children would no longer have memory and files of
// their own; a child that comes to make a folder ends with kWrites.
//
// STARVE_EACH   a file that receives a line a child: allocation, sticky, how it ended, bytes of its
// standard output and
//               their FNV-1a, the bytes that the parent had put out before, bytes and lines of its
//               standard error and whether it begins with "error: "; then a line "end ALLOCATION"
// STARVE_FIRST  the first allocation that fails, STARVE_STEP: the distance to the next
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kWrites = 77, kSeconds = 60, kText = 4096 };

static int each_file = -1;
static long each_first = 1;
static long each_step = 1;
static int is_child;
static int outputs[2];  // of the child: what takes the place of its descriptors 1 and 2

struct Said {
  long bytes;
  long lines;
  uint64_t hash;
  int is_error;
};

static struct Said said_in(int file) {
  struct Said said = {0, 0, 14695981039346656037u, 0};
  char text[kText];
  ssize_t size = 0;
  while ((size = pread(file, text, sizeof text, said.bytes)) > 0) {
    if (said.bytes == 0) said.is_error = size >= 7 && memcmp(text, "error: ", 7) == 0;
    for (ssize_t i = 0; i < size; ++i) {
      said.hash = (said.hash ^ (unsigned char)text[i]) * 1099511628211u;
      said.lines += text[i] == '\n';
    }
    said.bytes += size;
  }
  return said;
}

static void each_write(const char* text, int size) {
  if (write(each_file, text, (size_t)size) != size) _exit(99);
}

// In the child, which goes on.
static int each_begin_child(void) {
  is_child = 1;
  alarm(kSeconds);
  if (dup2(outputs[0], 1) < 0 || dup2(outputs[1], 2) < 0) _exit(98);
  return 1;
}

static void each_note(long now, int sticky_too, int status) {
  const struct Said out = said_in(outputs[0]);
  const struct Said errors = said_in(outputs[1]);
  char line[256];
  each_write(line,
             snprintf(line, sizeof line, "%ld %d %d %ld %llx %ld %ld %ld %d\n", now, sticky_too,
                      status, out.bytes, (unsigned long long)out.hash, (long)lseek(1, 0, SEEK_CUR),
                      errors.bytes, errors.lines, errors.is_error));
}

// Whether this process is now a child that is refused this allocation.
static int each_is_out(long now, int* stays_out) {
  if (each_file < 0 || is_child || now < each_first || (now - each_first) % each_step != 0)
    return 0;
  for (int sticky_too = 0; sticky_too <= 1; ++sticky_too) {
    for (int i = 0; i < 2; ++i) {
      if (ftruncate(outputs[i], 0) != 0 || lseek(outputs[i], 0, SEEK_SET) != 0) _exit(97);
    }
    const int saved = errno;
    const pid_t child = fork();
    if (child < 0) _exit(96);
    if (child == 0) {
      *stays_out = sticky_too;
      return each_begin_child();
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    each_note(now, sticky_too, status);
    errno = saved;
  }
  return 0;
}

static void each_begin(const char* path, long first, long step) {
  each_first = first;
  each_step = step;
  for (int i = 0; i < 2; ++i) outputs[i] = memfd_create("starved", MFD_CLOEXEC);
  each_file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (each_file < 0 || outputs[0] < 0 || outputs[1] < 0) _exit(95);
}

// The parent forks no more.
static void each_end(long now) {
  if (each_file < 0 || is_child) return;
  char line[32];
  each_write(line, snprintf(line, sizeof line, "end %ld\n", now));
  close(each_file);
  each_file = -1;
}

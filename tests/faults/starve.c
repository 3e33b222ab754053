// LD_PRELOAD: has a program run out of memory or of threads at a chosen moment.
//   cc -O2 -shared -fPIC -o starve.so starve.c -pthread
// STARVE_NTH      the allocation (malloc, calloc, realloc, aligned ones) that fails, from 1; 0: none
// STARVE_STICKY   1: every later one fails, too
// STARVE_EACH     each of them in turn, in children of one run: starve_each.h
// STARVE_THREADS  so many threads can be started, no more
// STARVE_COUNT    a file that receives the number of allocations when the program ends
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "starve_each.h"

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* memory, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static atomic_long allocations;
static atomic_long threads;
static long nth;
static long most_threads = -1;
static int sticky;
static const char* count_file;

static long number(const char* name, long otherwise) {
  const char* text = getenv(name);
  return text == NULL ? otherwise : atol(text);
}

__attribute__((constructor)) static void begin(void) {
  nth = number("STARVE_NTH", 0);
  most_threads = number("STARVE_THREADS", -1);
  sticky = number("STARVE_STICKY", 0) == 1;
  count_file = getenv("STARVE_COUNT");
  if (getenv("STARVE_EACH") != NULL) {
    each_begin(getenv("STARVE_EACH"), number("STARVE_FIRST", 1), number("STARVE_STEP", 1));
  }
  atomic_store(&allocations, 0);
}

__attribute__((destructor)) static void end(void) {
  each_end(atomic_load(&allocations));
  if (count_file == NULL || is_child) return;
  char text[32];
  const int size = snprintf(text, sizeof text, "%ld\n", atomic_load(&allocations));
  const int file = open(count_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return;
  if (write(file, text, (size_t)size) != size) _exit(99);
  close(file);
}

static int is_out(void) {
  const long now = atomic_fetch_add(&allocations, 1) + 1;
  if (each_is_out(now, &sticky)) {
    nth = now;
    return 1;
  }
  return nth > 0 && (now == nth || (sticky && now > nth));
}

void* malloc(size_t size) {
  if (!is_out()) return __libc_malloc(size);
  errno = ENOMEM;
  return NULL;
}

void* calloc(size_t count, size_t size) {
  if (!is_out()) return __libc_calloc(count, size);
  errno = ENOMEM;
  return NULL;
}

void* realloc(void* memory, size_t size) {
  if (!is_out()) return __libc_realloc(memory, size);
  errno = ENOMEM;
  return NULL;
}

void* memalign(size_t alignment, size_t size) {
  if (!is_out()) return __libc_memalign(alignment, size);
  errno = ENOMEM;
  return NULL;
}

void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void** memory, size_t alignment, size_t size) {
  void* found = memalign(alignment, size);
  if (found == NULL) return ENOMEM;
  *memory = found;
  return 0;
}

int mkdir(const char* path, mode_t mode) {
  static int (*real)(const char*, mode_t);
  if (is_child) _exit(kWrites);
  each_end(atomic_load(&allocations));
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, "mkdir");
  return real(path, mode);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) {
  static int (*real)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  each_end(atomic_load(&allocations));
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, "pthread_create");
  if (most_threads >= 0 && atomic_fetch_add(&threads, 1) >= most_threads) return EAGAIN;
  return real(thread, attributes, run, argument);
}

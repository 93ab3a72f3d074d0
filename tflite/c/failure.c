#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool fail(struct failure *failure, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure->message, sizeof failure->message, format, arguments);
  va_end(arguments);
  return false;
}

void *claim(unsigned long count, unsigned long size) {
  void *memory = calloc(count ? count : 1, size ? size : 1);
  if (!memory) {
    fprintf(stderr, "out of memory (%lu x %lu bytes)\n", count, size);
    exit(3);
  }
  return memory;
}

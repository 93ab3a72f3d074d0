// How a function of this runner says what went wrong: it returns false, and
// the message is one sentence or two.
#ifndef FAILURE_H
#define FAILURE_H

#include <stdbool.h>

struct failure {
  char message[512];
};

// Writes the message; always returns false, so that `return fail(...)` reads.
bool fail(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Memory, or the end of the program: the sizes asked for are small.
void *claim(unsigned long count, unsigned long size);

#endif

// Runs the chunks of a golden folder and compares with what Keras gave.
#ifndef GOLDEN_H
#define GOLDEN_H

#include "failure.h"
#include "recognizer.h"

// Prints differences; false where they are larger than `tolerance` (negative:
// the folder's own), a token or text differs, or it is another model's folder.
bool golden_compare(struct recognizer *recognizer, const char *folder,
                    double tolerance, struct failure *failure);

#endif

// Whether a .tflite file is whole: LiteRT trusts what it loads, and a file that
// was cut short would end the program.
#ifndef MODEL_FILE_H
#define MODEL_FILE_H

#include "failure.h"

bool model_file_check(const char *path, struct failure *failure);

#endif

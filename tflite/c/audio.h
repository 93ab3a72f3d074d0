// Samples from a PCM WAV file, or raw from a pipe, chunk by chunk.
#ifndef AUDIO_H
#define AUDIO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "failure.h"

struct audio {
  FILE *file;
  const char *name;
  int channels, bytes;  // bytes of a sample
  bool is_float;
  uint64_t left;  // bytes of sound that are still to come
};

// Opens a WAV file of 8, 16, 24 or 32 bits, or 32-bit floats, whose rate must
// be `sampling_rate_hz`; "-" is raw 16-bit mono on stdin.
bool audio_open(struct audio *audio, const char *path, long sampling_rate_hz,
                struct failure *failure);
void audio_close(struct audio *audio);
// Fills `samples` with the mean of the channels; returns how many there were.
size_t audio_read(struct audio *audio, float *samples, size_t count);

#endif

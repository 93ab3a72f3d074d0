#include "audio.h"

#include <errno.h>
#include <string.h>

enum { PCM = 1, FLOAT = 3, EXTENSIBLE = 0xFFFE };

static uint32_t little(const unsigned char *bytes, int count) {
  uint32_t value = 0;
  for (int i = count; i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

static bool skip(FILE *file, uint64_t count) {
  char bytes[4096];
  while (count) {
    size_t part = count < sizeof bytes ? (size_t)count : sizeof bytes;
    if (fread(bytes, 1, part, file) != part) return false;
    count -= part;
  }
  return true;
}

static bool read_format(struct audio *audio, uint32_t size, long *rate) {
  unsigned char bytes[40];
  uint32_t part = size < sizeof bytes ? size : (uint32_t)sizeof bytes;
  if (size < 16 || fread(bytes, 1, part, audio->file) != part ||
      !skip(audio->file, size - part + (size & 1))) {
    return false;
  }
  uint32_t format = little(bytes, 2);
  if (format == EXTENSIBLE && part >= 26) format = little(bytes + 24, 2);
  audio->channels = (int)little(bytes + 2, 2);
  *rate = (long)little(bytes + 4, 4);
  uint32_t bits = little(bytes + 14, 2);
  audio->bytes = (int)bits / 8;
  audio->is_float = format == FLOAT;
  bool known = format == PCM ? bits && bits % 8 == 0 && bits <= 32
                             : format == FLOAT && bits == 32;
  return known && audio->channels > 0 && audio->channels <= 64;
}

static bool read_header(struct audio *audio, long *rate) {
  unsigned char head[12];
  bool has_format = false;
  if (fread(head, 1, 12, audio->file) != 12 || memcmp(head, "RIFF", 4) ||
      memcmp(head + 8, "WAVE", 4)) {
    return false;
  }
  while (fread(head, 1, 8, audio->file) == 8) {
    uint32_t size = little(head + 4, 4);
    if (!memcmp(head, "data", 4)) {
      audio->left = size;
      return has_format;
    }
    if (!memcmp(head, "fmt ", 4)) {
      if (!read_format(audio, size, rate)) return false;
      has_format = true;
    } else if (!skip(audio->file, (uint64_t)size + (size & 1))) {
      return false;
    }
  }
  return false;
}

bool audio_open(struct audio *audio, const char *path, long sampling_rate_hz,
                struct failure *failure) {
  memset(audio, 0, sizeof *audio);
  audio->name = path;
  if (!strcmp(path, "-")) {
    audio->file = stdin;
    audio->channels = 1;
    audio->bytes = 2;
    audio->left = UINT64_MAX;
    return true;
  }
  audio->file = fopen(path, "rb");
  if (!audio->file) {
    return fail(failure, "%s: %s.", path, strerror(errno));
  }
  long rate = 0;
  if (!read_header(audio, &rate)) {
    audio_close(audio);
    return fail(failure,
                "%s is no WAV file of 8 to 32 bits: sox %s out.wav", path,
                path);
  }
  if (rate != sampling_rate_hz) {
    audio_close(audio);
    return fail(failure,
                "%s has %ld Hz, the model takes %ld Hz: sox %s -r %ld out.wav",
                path, rate, sampling_rate_hz, path, sampling_rate_hz);
  }
  return true;
}

void audio_close(struct audio *audio) {
  if (audio->file && audio->file != stdin) fclose(audio->file);
  audio->file = NULL;
}

static float sample_of(const struct audio *audio, const unsigned char *bytes) {
  uint32_t bits = little(bytes, audio->bytes);
  if (audio->is_float) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  if (audio->bytes == 1) return ((float)bits - 128.0f) / 128.0f;
  // To the top of 32 bits, so that the sign stands where C has it.
  bits <<= 32 - 8 * audio->bytes;
  return (float)((double)(int32_t)bits / 2147483648.0);
}

size_t audio_read(struct audio *audio, float *samples, size_t count) {
  unsigned char frame[64 * 4];
  size_t size = (size_t)(audio->channels * audio->bytes), read = 0;
  while (read < count && audio->left >= size &&
         fread(frame, 1, size, audio->file) == size) {
    float sum = 0;
    for (int channel = 0; channel < audio->channels; channel++) {
      sum += sample_of(audio, frame + channel * audio->bytes);
    }
    samples[read++] = sum / (float)audio->channels;
    audio->left -= size;
  }
  return read;
}

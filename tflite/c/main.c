// Text from speech while it is spoken: one .tflite file, LiteRT's C API.
//
//   stream model.tflite speech.wav
//   arecord -q -t raw -f S16_LE -c 1 -r 16000 | stream model.tflite -
//   stream model.tflite --golden ../golden [--tolerance 0.001]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audio.h"
#include "golden.h"
#include "recognizer.h"
#include "segments.h"

static const double endpoint_seconds = 1.0;

static int usage(void) {
  fprintf(stderr, "usage: stream MODEL.tflite SPEECH.wav|-\n"
                  "       stream MODEL.tflite --golden FOLDER "
                  "[--tolerance NUMBER]\n");
  return 2;
}

// Prints the segment, if anything was said, and begins a new one.
static void end_segment(struct recognizer *recognizer,
                        struct segments *segments, bool is_live) {
  char *text = segments_text(segments);
  if (*text) printf("%s%s\n", is_live ? "\r\033[K" : "", text);
  fflush(stdout);
  free(text);
  segments_end(segments);
  if (segments->begins_anew) recognizer_reset(recognizer);
}

static bool transcribe(struct recognizer *recognizer, struct audio *audio,
                       struct failure *failure) {
  struct segments segments;
  size_t size = recognizer->chunk_samples, count;
  float *samples = claim(size, sizeof *samples);
  bool is_live = audio->file == stdin && isatty(STDOUT_FILENO);
  bool good = segments_open(&segments, recognizer->metadata, endpoint_seconds,
                            failure);
  while (good && (count = audio_read(audio, samples, size))) {
    good = recognizer_step(recognizer, samples, count, failure);
    if (good && segments_add(&segments, recognizer->token_ids,
                             recognizer->log_probabilities,
                             recognizer->frames)) {
      end_segment(recognizer, &segments, is_live);
    } else if (good && is_live) {
      char *text = segments_text(&segments);
      printf("\r\033[K%s", text);
      fflush(stdout);
      free(text);
    }
  }
  // What was said before an error is not lost.
  if (segments.raw) end_segment(recognizer, &segments, is_live);
  segments_close(&segments);
  free(samples);
  return good;
}

int main(int count, char **arguments) {
  struct failure failure = {""};
  struct recognizer recognizer;
  const char *golden = NULL;
  double tolerance = -1;
  if (count == 4 || count == 6) {
    if (strcmp(arguments[2], "--golden")) return usage();
    golden = arguments[3];
    if (count == 6) {
      char *end;
      tolerance = strtod(arguments[5], &end);
      if (strcmp(arguments[4], "--tolerance") || *end || tolerance < 0) {
        return usage();
      }
    }
  } else if (count != 3 || !strncmp(arguments[2], "--", 2)) {
    return usage();
  }
  bool good = recognizer_open(&recognizer, arguments[1], &failure);
  if (good && golden) {
    good = golden_compare(&recognizer, golden, tolerance, &failure);
  } else if (good) {
    struct audio audio;
    good = audio_open(&audio, arguments[2], recognizer.sampling_rate_hz,
                      &failure);
    if (good) {
      good = transcribe(&recognizer, &audio, &failure);
      audio_close(&audio);
    }
  }
  recognizer_close(&recognizer);
  if (!good) fprintf(stderr, "stream: %s\n", failure.message);
  return good ? 0 : 1;
}

#include "golden.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segments.h"

// A golden folder in memory: arrays with a row a chunk.
struct array {
  size_t row;  // values of a chunk, of 4 bytes each
  char *bytes;
};

struct golden {
  struct json *facts;
  size_t chunks;
  struct array samples, num_samples, token_ids, log_probabilities;
  struct array *states;
  size_t num_states;
};

static char *read_file(const char *folder, const char *name, size_t *size,
                       struct failure *failure) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (!file) {
    fail(failure, "%s: %s.", path, strerror(errno));
    return NULL;
  }
  size_t room = 1 << 16, length = 0, part;
  char *content = claim(room, 1);
  while ((part = fread(content + length, 1, room - length, file))) {
    length += part;
    if (length == room) {
      char *longer = claim(2 * room, 1);
      memcpy(longer, content, length);
      free(content);
      content = longer;
      room *= 2;
    }
  }
  fclose(file);
  *size = length;
  return content;
}

static bool read_array(const struct golden *golden, const char *folder,
                       const char *name, size_t row, struct array *array,
                       struct failure *failure) {
  const struct json *listed = json_get(json_get(golden->facts, "arrays"), name);
  const char *file = json_text(listed, "file");
  if (!file) {
    return fail(failure, "%s has no array %s: it is of another model.", folder,
                name);
  }
  size_t size = 0;
  array->row = row;
  array->bytes = read_file(folder, file, &size, failure);
  if (!array->bytes) return false;
  if (size != 4 * row * golden->chunks) {
    return fail(failure,
                "%s/%s has %zu bytes; this model has %zu: the folder is of "
                "another model (%s).", folder, file, size,
                4 * row * golden->chunks, json_text(golden->facts, "model"));
  }
  return true;
}

static bool read_golden(struct golden *golden, struct recognizer *recognizer,
                        const char *folder, struct failure *failure) {
  size_t size = 0, frames = recognizer->chunk_frames;
  char *text = read_file(folder, "golden.json", &size, failure);
  if (!text) return false;
  struct failure reason;
  golden->facts = json_parse(text, size, &reason);
  free(text);
  if (!golden->facts) {
    return fail(failure, "%s/golden.json is %s.", folder, reason.message);
  }
  double chunks = json_number(golden->facts, "num_chunks", 0);
  if (chunks < 1 || chunks > 1e6 || !json_text(golden->facts, "model")) {
    return fail(failure, "%s/golden.json has no num_chunks or no model.",
                folder);
  }
  golden->chunks = (size_t)chunks;
  golden->states = claim(recognizer->num_states, sizeof *golden->states);
  golden->num_states = recognizer->num_states;
  for (size_t i = 0; i < golden->num_states; i++) {
    char name[256];
    snprintf(name, sizeof name, "next_state_%s", recognizer->states[i].name);
    if (!read_array(golden, folder, name, recognizer->states[i].count,
                    &golden->states[i], failure)) {
      return false;
    }
  }
  return read_array(golden, folder, "samples", recognizer->chunk_samples,
                    &golden->samples, failure) &&
         read_array(golden, folder, "num_samples", 1, &golden->num_samples,
                    failure) &&
         read_array(golden, folder, "token_ids", frames, &golden->token_ids,
                    failure) &&
         read_array(golden, folder, "log_probabilities",
                    frames * recognizer->vocabulary_size,
                    &golden->log_probabilities, failure);
}

static void free_golden(struct golden *golden) {
  for (size_t i = 0; i < golden->num_states; i++) {
    free(golden->states[i].bytes);
  }
  free(golden->states);
  free(golden->samples.bytes);
  free(golden->num_samples.bytes);
  free(golden->token_ids.bytes);
  free(golden->log_probabilities.bytes);
  json_free(golden->facts);
}

static const void *row_of(const struct array *array, size_t chunk) {
  return array->bytes + 4 * array->row * chunk;
}

static double difference(const void *found, const void *wanted, size_t count,
                         bool is_int, double worst) {
  for (size_t i = 0; i < count; i++) {
    double gap = is_int ? fabs((double)((const int32_t *)found)[i] -
                               (double)((const int32_t *)wanted)[i])
                        : fabs((double)((const float *)found)[i] -
                               (double)((const float *)wanted)[i]);
    if (!(gap <= worst)) worst = isnan(gap) ? INFINITY : gap;
  }
  return worst;
}

// Whether the next of the golden texts is this one; empty ones do not count.
static bool take_text(struct segments *segments, const struct json **texts,
                      struct failure *failure) {
  char *text = segments_text(segments);
  segments_end(segments);
  const char *wanted = *texts ? (*texts)->text : "(no more)";
  bool good = !*text || (*texts && !strcmp(text, wanted));
  if (!good) {
    fail(failure, "The text \"%s\" came; expected \"%s\".", text, wanted);
  } else if (*text) {
    *texts = (*texts)->next;
  }
  free(text);
  return good;
}

// One pass from chunk `first` on; texts are compared from zeros only.
static bool pass(struct recognizer *recognizer, const struct golden *golden,
                 size_t first, double *worst, struct segments *segments,
                 struct failure *failure) {
  const struct json *listed = json_get(golden->facts, "texts");
  const struct json *texts = listed ? listed->first : NULL;
  recognizer_reset(recognizer);
  for (size_t i = 0; first && i < golden->num_states; i++) {
    const struct array *state = &golden->states[i];
    if (!recognizer_set_state(recognizer, recognizer->states[i].name,
                              row_of(state, first - 1), 4 * state->row,
                              failure)) {
      return false;
    }
  }
  for (size_t chunk = first; chunk < golden->chunks; chunk++) {
    int32_t count = *(const int32_t *)row_of(&golden->num_samples, chunk);
    if (!recognizer_step(recognizer, row_of(&golden->samples, chunk),
                         count < 0 ? 0 : (size_t)count, failure)) {
      return false;
    }
    size_t frames = recognizer->frames;
    if (memcmp(recognizer->token_ids, row_of(&golden->token_ids, chunk),
               4 * frames)) {
      return fail(failure, "Chunk %zu gave other tokens than Keras.", chunk);
    }
    worst[0] = difference(
        recognizer->log_probabilities,
        row_of(&golden->log_probabilities, chunk),
        frames * recognizer->vocabulary_size, false, worst[0]);
    for (size_t i = 0; i < golden->num_states; i++) {
      const struct state *state = &recognizer->states[i];
      worst[i + 1] =
          difference(state->values, row_of(&golden->states[i], chunk),
                     state->count, state->is_int, worst[i + 1]);
    }
    if (!first &&
        segments_add(segments, recognizer->token_ids,
                     recognizer->log_probabilities, frames) &&
        !take_text(segments, &texts, failure)) {
      return false;
    }
  }
  if (first) return true;
  if (!take_text(segments, &texts, failure)) return false;
  return !texts || fail(failure, "The text \"%s\" did not come.", texts->text);
}

static bool compare(struct recognizer *recognizer, const struct golden *golden,
                    double tolerance, double *worst,
                    struct failure *failure) {
  struct segments segments;
  double endpoint = json_number(golden->facts, "endpoint_seconds", 1);
  if (!segments_open(&segments, recognizer->metadata, endpoint, failure)) {
    segments_close(&segments);
    return false;
  }
  bool good =
      pass(recognizer, golden, 0, worst, &segments, failure) &&
      (golden->chunks < 2 || pass(recognizer, golden, golden->chunks / 2,
                                  worst, &segments, failure));
  segments_close(&segments);
  if (!good) return false;
  double largest = worst[0];
  printf("log_probabilities %.3g\n", worst[0]);
  for (size_t i = 0; i < golden->num_states; i++) {
    printf("%s %.3g\n", recognizer->states[i].name, worst[i + 1]);
    if (worst[i + 1] > largest) largest = worst[i + 1];
  }
  printf("chunks %zu, tokens equal, texts equal\n", golden->chunks);
  printf("largest difference %.3g, allowed %g\n", largest, tolerance);
  return largest <= tolerance ||
         fail(failure, "The difference is larger than what is allowed.");
}

bool golden_compare(struct recognizer *recognizer, const char *folder,
                    double tolerance, struct failure *failure) {
  struct golden golden = {0};
  double *worst = claim(recognizer->num_states + 1, sizeof *worst);
  bool good = read_golden(&golden, recognizer, folder, failure);
  if (good) {
    if (tolerance < 0) tolerance = json_number(golden.facts, "tolerance", 0);
    good = compare(recognizer, &golden, tolerance, worst, failure);
  }
  free(worst);
  free_golden(&golden);
  return good;
}

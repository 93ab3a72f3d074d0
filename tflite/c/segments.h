// Text from token ids, cut where nothing is said for a second. The rules stand
// in tflite/README.md; each runner has the same.
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "json.h"

struct segments {
  char **pieces;  // the vocabulary; U+2581 is a blank, special tokens are ""
  bool *silent;   // tokens that are no speech
  size_t size;    // of the vocabulary
  double frame_seconds, chunk_seconds, endpoint_seconds;
  double longest_seconds;
  bool begins_anew;  // whether states begin anew with a segment
  char *raw;         // pieces so far
  size_t length, room;
  size_t frames, silent_frames;
};

bool segments_open(struct segments *segments, const struct json *metadata,
                   double endpoint_seconds, struct failure *failure);
void segments_close(struct segments *segments);

// Takes the frames of a chunk in; returns whether the segment ends.
bool segments_add(struct segments *segments, const int32_t *ids,
                  const float *scores, size_t frames);
// The text so far with single blanks, to be freed.
char *segments_text(const struct segments *segments);
// Begins a new segment.
void segments_end(struct segments *segments);

#endif

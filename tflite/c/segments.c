#include "segments.h"

#include <stdlib.h>
#include <string.h>

static const char word_start[] = "\xE2\x96\x81";  // U+2581 in UTF-8

static bool is_special(const char *piece) {
  size_t size = strlen(piece);
  return size > 2 && piece[0] == '<' && piece[size - 1] == '>';
}

static bool is_blank(char letter) {
  return letter && strchr(" \t\r\n\f\v", letter);
}

// A copy with a blank for each U+2581; nothing of a special token.
static char *plain_piece(const char *piece) {
  char *copy = claim(strlen(piece) + 1, 1), *to = copy;
  if (is_special(piece)) return copy;
  while (*piece) {
    if (!strncmp(piece, word_start, sizeof word_start - 1)) {
      *to++ = ' ';
      piece += sizeof word_start - 1;
    } else {
      *to++ = *piece++;
    }
  }
  return copy;
}

static bool is_silent(const char *plain) {
  while (is_blank(*plain)) plain++;
  return !*plain;
}

bool segments_open(struct segments *segments, const struct json *metadata,
                   double endpoint_seconds, struct failure *failure) {
  const struct json *vocabulary = json_get(metadata, "vocabulary");
  const struct json *stream = json_get(metadata, "stream");
  memset(segments, 0, sizeof *segments);
  segments->frame_seconds = json_number(metadata, "frame_seconds", 0);
  segments->chunk_seconds = json_number(stream, "chunk_seconds", 0);
  segments->endpoint_seconds = endpoint_seconds;
  segments->longest_seconds =
      json_number(stream, "longest_segment_seconds", 0);
  segments->begins_anew = segments->longest_seconds > 0;
  if (!segments->begins_anew) segments->longest_seconds = 60;
  if (!vocabulary || vocabulary->kind != JSON_LIST || !vocabulary->count ||
      segments->frame_seconds <= 0 || segments->chunk_seconds <= 0) {
    return fail(failure, "The metadata lacks vocabulary, frame_seconds or "
                         "chunk_seconds; export the file again.");
  }
  segments->pieces = claim(vocabulary->count, sizeof *segments->pieces);
  segments->silent = claim(vocabulary->count, sizeof *segments->silent);
  for (const struct json *item = vocabulary->first; item; item = item->next) {
    char *piece = plain_piece(item->text ? item->text : "");
    segments->pieces[segments->size] = piece;
    segments->silent[segments->size] = !segments->size || is_silent(piece);
    segments->size++;
  }
  segments->room = 256;
  segments->raw = claim(segments->room, 1);
  return true;
}

void segments_close(struct segments *segments) {
  for (size_t i = 0; i < segments->size; i++) free(segments->pieces[i]);
  free(segments->pieces);
  free(segments->silent);
  free(segments->raw);
  memset(segments, 0, sizeof *segments);
}

static void append(struct segments *segments, const char *piece) {
  size_t size = strlen(piece);
  if (segments->length + size + 1 > segments->room) {
    segments->room = 2 * (segments->room + size);
    char *longer = claim(segments->room, 1);
    memcpy(longer, segments->raw, segments->length);
    free(segments->raw);
    segments->raw = longer;
  }
  memcpy(segments->raw + segments->length, piece, size + 1);
  segments->length += size;
}

bool segments_add(struct segments *segments, const int32_t *ids,
                  const float *scores, size_t frames) {
  for (size_t frame = 0; frame < frames; frame++) {
    size_t id = (size_t)ids[frame];  // a negative one is out of range, too
    if (id && id < segments->size) append(segments, segments->pieces[id]);
    const float *row = scores + frame * segments->size;
    size_t best = 0;
    for (size_t i = 1; i < segments->size; i++) {
      if (row[i] > row[best]) best = i;
    }
    segments->silent_frames =
        segments->silent[best] ? segments->silent_frames + 1 : 0;
  }
  segments->frames += frames;
  double silence = (double)segments->silent_frames * segments->frame_seconds;
  double length = (double)segments->frames * segments->frame_seconds;
  return silence >= segments->endpoint_seconds ||
         length + segments->chunk_seconds > segments->longest_seconds ||
         (length > segments->longest_seconds / 2 &&
          silence >= segments->chunk_seconds);
}

char *segments_text(const struct segments *segments) {
  char *text = claim(segments->length + 1, 1), *to = text;
  for (const char *at = segments->raw; *at; at++) {
    if (!is_blank(*at)) {
      *to++ = *at;
    } else if (to > text && to[-1] != ' ') {
      *to++ = ' ';
    }
  }
  if (to > text && to[-1] == ' ') to--;
  *to = 0;
  return text;
}

void segments_end(struct segments *segments) {
  segments->length = segments->frames = segments->silent_frames = 0;
  segments->raw[0] = 0;
}

#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32 };

struct reader {
  const char *at;
  const char *end;
  int depth;
};

static struct json *read_value(struct reader *reader);

static void skip_blanks(struct reader *reader) {
  while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) &&
         *reader->at) {
    reader->at++;
  }
}

static bool take(struct reader *reader, const char *word) {
  size_t size = strlen(word);
  if ((size_t)(reader->end - reader->at) < size ||
      memcmp(reader->at, word, size)) {
    return false;
  }
  reader->at += size;
  return true;
}

static bool read_hex(struct reader *reader, unsigned *code) {
  if (reader->end - reader->at < 4) return false;
  *code = 0;
  for (int i = 0; i < 4; i++) {
    char digit = *reader->at++;
    unsigned value;
    if (digit >= '0' && digit <= '9') {
      value = (unsigned)(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      value = (unsigned)(digit - 'a') + 10;
    } else if (digit >= 'A' && digit <= 'F') {
      value = (unsigned)(digit - 'A') + 10;
    } else {
      return false;
    }
    *code = *code * 16 + value;
  }
  return true;
}

static char *write_utf8(char *to, unsigned code) {
  if (code < 0x80) {
    *to++ = (char)code;
  } else if (code < 0x800) {
    *to++ = (char)(0xC0 | code >> 6);
    *to++ = (char)(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *to++ = (char)(0xE0 | code >> 12);
    *to++ = (char)(0x80 | (code >> 6 & 0x3F));
    *to++ = (char)(0x80 | (code & 0x3F));
  } else {
    *to++ = (char)(0xF0 | code >> 18);
    *to++ = (char)(0x80 | (code >> 12 & 0x3F));
    *to++ = (char)(0x80 | (code >> 6 & 0x3F));
    *to++ = (char)(0x80 | (code & 0x3F));
  }
  return to;
}

static bool read_escape(struct reader *reader, char **to) {
  static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
  if (reader->at == reader->end) return false;
  char mark = *reader->at++;
  const char *found = mark ? strchr(from, mark) : NULL;
  if (found) {
    *(*to)++ = into[found - from];
    return true;
  }
  unsigned code, low;
  if (mark != 'u' || !read_hex(reader, &code)) return false;
  if (code >= 0xD800 && code < 0xDC00) {  // the first half of a pair
    if (!take(reader, "\\u") || !read_hex(reader, &low) || low < 0xDC00 ||
        low > 0xDFFF) {
      return false;
    }
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  *to = write_utf8(*to, code);
  return true;
}

// The text behind an opening quote; NULL where it does not end well.
static char *read_text(struct reader *reader) {
  const char *stop = reader->at;
  while (stop < reader->end && *stop != '"') {
    stop += *stop == '\\' ? 2 : 1;
  }
  if (stop >= reader->end) return NULL;
  // An escape is never shorter than what it stands for.
  char *text = claim((size_t)(stop - reader->at) + 1, 1), *to = text;
  while (reader->at < stop) {
    if (*reader->at != '\\') {
      *to++ = *reader->at++;
      continue;
    }
    reader->at++;
    if (!read_escape(reader, &to)) {
      free(text);
      return NULL;
    }
  }
  reader->at = stop + 1;
  return text;
}

static bool read_children(struct reader *reader, struct json *parent,
                          char closing) {
  struct json **link = &parent->first;
  skip_blanks(reader);
  if (reader->at < reader->end && *reader->at == closing) {
    reader->at++;
    return true;
  }
  while (true) {
    char *key = NULL;
    if (parent->kind == JSON_OBJECT) {
      skip_blanks(reader);
      if (!take(reader, "\"") || !(key = read_text(reader))) return false;
      skip_blanks(reader);
      if (!take(reader, ":")) {
        free(key);
        return false;
      }
    }
    struct json *child = read_value(reader);
    if (!child) {
      free(key);
      return false;
    }
    child->key = key;
    *link = child;
    link = &child->next;
    parent->count++;
    skip_blanks(reader);
    if (reader->at == reader->end) return false;
    char mark = *reader->at++;
    if (mark == closing) return true;
    if (mark != ',') return false;
  }
}

static bool read_number(struct reader *reader, struct json *value) {
  char digits[64];
  size_t size = 0;
  while (reader->at < reader->end && size < sizeof digits - 1 &&
         *reader->at && strchr("+-.0123456789eE", *reader->at)) {
    digits[size++] = *reader->at++;
  }
  digits[size] = 0;
  char *end;
  value->number = strtod(digits, &end);
  return size && end == digits + size;
}

static struct json *read_value(struct reader *reader) {
  struct json *value = claim(1, sizeof *value);
  bool good = false;
  skip_blanks(reader);
  if (reader->depth++ < DEEPEST && reader->at < reader->end) {
    if (take(reader, "{")) {
      value->kind = JSON_OBJECT;
      good = read_children(reader, value, '}');
    } else if (take(reader, "[")) {
      value->kind = JSON_LIST;
      good = read_children(reader, value, ']');
    } else if (take(reader, "\"")) {
      value->kind = JSON_TEXT;
      value->text = read_text(reader);
      good = value->text != NULL;
    } else if (take(reader, "null")) {
      good = true;
    } else if (take(reader, "true") || take(reader, "false")) {
      value->kind = JSON_BOOL;
      value->number = reader->at[-2] == 'u';  // tr-u-e, fal-s-e
      good = true;
    } else {
      value->kind = JSON_NUMBER;
      good = read_number(reader, value);
    }
  }
  reader->depth--;
  if (good) return value;
  json_free(value);
  return NULL;
}

struct json *json_parse(const char *text, size_t size,
                        struct failure *failure) {
  struct reader reader = {text, text + size, 0};
  struct json *value = read_value(&reader);
  skip_blanks(&reader);
  if (value && reader.at == reader.end) return value;
  json_free(value);
  fail(failure, "no JSON text: it breaks off at byte %zu of %zu",
       (size_t)(reader.at - text), size);
  return NULL;
}

void json_free(struct json *value) {
  while (value) {
    struct json *next = value->next;
    json_free(value->first);
    free(value->key);
    free(value->text);
    free(value);
    value = next;
  }
}

const struct json *json_get(const struct json *object, const char *key) {
  if (!object || object->kind != JSON_OBJECT) return NULL;
  for (const struct json *child = object->first; child; child = child->next) {
    if (!strcmp(child->key, key)) return child;
  }
  return NULL;
}

double json_number(const struct json *object, const char *key,
                   double otherwise) {
  const struct json *found = json_get(object, key);
  return found && found->kind == JSON_NUMBER ? found->number : otherwise;
}

const char *json_text(const struct json *object, const char *key) {
  const struct json *found = json_get(object, key);
  return found && found->kind == JSON_TEXT ? found->text : NULL;
}

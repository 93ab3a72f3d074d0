// A small reader of JSON texts: a tree of values.
#ifndef JSON_H
#define JSON_H

#include <stddef.h>

#include "failure.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_LIST,
                 JSON_OBJECT };

struct json {
  enum json_kind kind;
  char *key;          // in an object
  char *text;         // UTF-8
  double number;      // 0 or 1 of a bool
  size_t count;       // children
  struct json *first;
  struct json *next;  // sibling
};

// The value of a text, to be given to json_free; NULL where it is no JSON.
struct json *json_parse(const char *text, size_t size, struct failure *failure);
void json_free(struct json *value);

// A child by its key; NULL where there is none, or `object` is NULL.
const struct json *json_get(const struct json *object, const char *key);
// A number by its key, or `otherwise`.
double json_number(const struct json *object, const char *key,
                   double otherwise);
// A text by its key, or NULL.
const char *json_text(const struct json *object, const char *key);

#endif

#include "recognizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "litert_api.h"
#include "model_file.h"

enum { LARGEST = 1 << 28 };  // values of a state
static const char in_mark[] = "state_", out_mark[] = "next_state_";

// An input or output of the signature, and what it is for.
struct port {
  litert_tensor_buffer *buffer;
  size_t bytes;   // of the tensor
  void *values;   // on our side
  void *next;     // outputs that are states: where they wait
};

struct session {
  litert_environment *environment;
  litert_model *model;
  litert_compiled_model *compiled;
  size_t signature;
  size_t num_inputs, num_outputs;
  struct port *inputs, *outputs;
  float *samples;
  int32_t num_samples;
};

static size_t bytes_of(const litert_tensor_type *type) {
  size_t count = 1;
  for (unsigned i = 0; i < type->rank; i++) {
    if (type->dimensions[i] < 1) return 0;
    count *= (size_t)type->dimensions[i];
  }
  return 4 * count;
}

static bool read_states(struct recognizer *recognizer, const struct json *list,
                        struct failure *failure) {
  recognizer->states = claim(list->count, sizeof *recognizer->states);
  for (const struct json *item = list->first; item; item = item->next) {
    struct state *state = &recognizer->states[recognizer->num_states++];
    const char *type = json_text(item, "dtype");
    const struct json *shape = json_get(item, "shape");
    if (!type || !shape ||
        (strcmp(type, "int32") && strcmp(type, "float32"))) {
      return fail(failure, "The state %s has no shape, or a type other than "
                           "float32 and int32.", item->key);
    }
    state->name = item->key;
    state->is_int = !strcmp(type, "int32");
    state->count = 1;
    for (const struct json *size = shape->first; size; size = size->next) {
      if (size->number < 1 || state->count > LARGEST / size->number) {
        return fail(failure, "The state %s has a length of %g.", item->key,
                    size->number);
      }
      state->count *= (size_t)size->number;
    }
    state->values = claim(state->count, 4);
  }
  return true;
}

static bool read_metadata(struct recognizer *recognizer, const char *path,
                          struct failure *failure) {
  const void *bytes = NULL;
  size_t size = 0;
  if (LiteRtGetModelMetadata(recognizer->session->model, "keras_selfattn",
                             &bytes, &size)) {
    return fail(failure, "%s has no metadata of keras_selfattn; export it "
                         "again.", path);
  }
  struct failure reason;
  recognizer->metadata = json_parse(bytes, size, &reason);
  if (!recognizer->metadata) {
    return fail(failure, "%s: its metadata is %s.", path, reason.message);
  }
  const struct json *metadata = recognizer->metadata;
  const struct json *stream = json_get(metadata, "stream");
  const struct json *vocabulary = json_get(metadata, "vocabulary");
  const struct json *states = json_get(stream, "states");
  if (!states || !vocabulary) {
    return fail(failure, "%s is no streaming recogniser: its metadata has no "
                         "vocabulary, or no stream with states.", path);
  }
  recognizer->sampling_rate_hz =
      (long)json_number(metadata, "sampling_rate_hz", 0);
  recognizer->chunk_samples = (size_t)json_number(stream, "chunk_samples", 0);
  recognizer->chunk_frames = (size_t)json_number(stream, "chunk_frames", 0);
  recognizer->vocabulary_size = vocabulary->count;
  if (!recognizer->chunk_frames || recognizer->sampling_rate_hz < 1 ||
      recognizer->chunk_samples < recognizer->chunk_frames) {
    return fail(failure, "%s: its metadata says %zu samples and %zu frames a "
                         "chunk at %ld Hz.", path, recognizer->chunk_samples,
                recognizer->chunk_frames, recognizer->sampling_rate_hz);
  }
  return read_states(recognizer, states, failure);
}

static bool find_signature(struct recognizer *recognizer, const char *path,
                           litert_signature **signature,
                           struct failure *failure) {
  struct session *session = recognizer->session;
  const struct json *stream = json_get(recognizer->metadata, "stream");
  const char *wanted = json_text(stream, "signature");
  size_t count = 0;
  LiteRtGetNumModelSignatures(session->model, &count);
  for (size_t i = 0; wanted && i < count; i++) {
    const char *key = "";
    if (!LiteRtGetModelSignature(session->model, i, signature) &&
        !LiteRtGetSignatureKey(*signature, &key) && !strcmp(key, wanted)) {
      session->signature = i;
      return true;
    }
  }
  return fail(failure, "%s has no signature %s.", path,
              wanted ? wanted : "(unnamed)");
}

static struct state *find_state(struct recognizer *recognizer,
                                const char *name) {
  for (size_t i = 0; i < recognizer->num_states; i++) {
    if (!strcmp(recognizer->states[i].name, name)) {
      return &recognizer->states[i];
    }
  }
  return NULL;
}

// Says what a name of the signature is for: type, size and place.
static bool place_port(struct recognizer *recognizer, const char *name,
                       bool is_input, struct port *port, int *type) {
  struct session *session = recognizer->session;
  size_t frames = recognizer->chunk_frames;
  *type = LITERT_FLOAT32;
  if (is_input && !strcmp(name, "samples")) {
    port->bytes = 4 * recognizer->chunk_samples;
    port->values = session->samples;
  } else if (is_input && !strcmp(name, "num_samples")) {
    *type = LITERT_INT32;
    port->bytes = 4;
    port->values = &session->num_samples;
  } else if (!is_input && !strcmp(name, "token_ids")) {
    *type = LITERT_INT32;
    port->bytes = 4 * frames;
    port->values = recognizer->token_ids;
  } else if (!is_input && !strcmp(name, "log_probabilities")) {
    port->bytes = 4 * frames * recognizer->vocabulary_size;
    port->values = recognizer->log_probabilities;
  } else {
    const char *mark = is_input ? in_mark : out_mark;
    if (strncmp(name, mark, strlen(mark))) return false;
    struct state *state = find_state(recognizer, name + strlen(mark));
    if (!state) return false;
    *type = state->is_int ? LITERT_INT32 : LITERT_FLOAT32;
    port->bytes = 4 * state->count;
    port->values = state->values;
    if (!is_input) port->next = claim(state->count, 4);
  }
  return true;
}

static bool open_port(struct recognizer *recognizer,
                      litert_signature *signature, size_t index, bool is_input,
                      struct failure *failure) {
  struct session *session = recognizer->session;
  struct port *port =
      is_input ? &session->inputs[index] : &session->outputs[index];
  litert_tensor *tensor = NULL;
  litert_tensor_type found;
  litert_requirements *requirements = NULL;
  const char *name = "?";
  int type;
  memset(&found, 0, sizeof found);
  int wrong = is_input
      ? LiteRtGetSignatureInputName(signature, index, &name) ||
            LiteRtGetSignatureInputTensorByIndex(signature, index, &tensor)
      : LiteRtGetSignatureOutputName(signature, index, &name) ||
            LiteRtGetSignatureOutputTensorByIndex(signature, index, &tensor);
  if (wrong || LiteRtGetRankedTensorType(tensor, &found)) {
    return fail(failure, "LiteRT does not tell about tensor %zu (%s).", index,
                name);
  }
  if (!place_port(recognizer, name, is_input, port, &type)) {
    return fail(failure, "The file's stream has %s, which its metadata does "
                         "not know.", name);
  }
  if (found.element_type != type || bytes_of(&found) != port->bytes) {
    return fail(failure, "%s has type %d and %zu bytes; its metadata says %d "
                         "and %zu.", name, found.element_type,
                bytes_of(&found), type, port->bytes);
  }
  wrong = is_input
      ? LiteRtGetCompiledModelInputBufferRequirements(
            session->compiled, session->signature, index, &requirements)
      : LiteRtGetCompiledModelOutputBufferRequirements(
            session->compiled, session->signature, index, &requirements);
  size_t size = 0;
  if (wrong ||
      LiteRtCreateManagedTensorBufferFromRequirements(
          session->environment, &found, requirements, &port->buffer) ||
      LiteRtGetTensorBufferSize(port->buffer, &size) || size < port->bytes) {
    return fail(failure, "LiteRT gives no buffer for %s.", name);
  }
  return true;
}

static bool open_ports(struct recognizer *recognizer,
                       litert_signature *signature, struct failure *failure) {
  struct session *session = recognizer->session;
  size_t inputs = 0, outputs = 0, states = recognizer->num_states;
  LiteRtGetNumSignatureInputs(signature, &inputs);
  LiteRtGetNumSignatureOutputs(signature, &outputs);
  // Names are different, and each must be known: the count says the rest.
  if (inputs != states + 2 || outputs != states + 2) {
    return fail(failure, "The file's stream has %zu inputs and %zu outputs; "
                         "its metadata says %zu.", inputs, outputs, states + 2);
  }
  session->inputs = claim(inputs, sizeof *session->inputs);
  session->outputs = claim(outputs, sizeof *session->outputs);
  session->num_inputs = inputs;
  session->num_outputs = outputs;
  for (size_t i = 0; i < inputs; i++) {
    if (!open_port(recognizer, signature, i, true, failure)) return false;
  }
  for (size_t i = 0; i < outputs; i++) {
    if (!open_port(recognizer, signature, i, false, failure)) return false;
  }
  return true;
}

static bool start(struct recognizer *recognizer, const char *path,
                  struct failure *failure) {
  struct session *session = recognizer->session;
  litert_signature *signature = NULL;
  litert_options *options = NULL;
  if (!model_file_check(path, failure)) return false;
  if (LiteRtCreateEnvironment(0, NULL, &session->environment)) {
    return fail(failure, "LiteRT does not start.");
  }
  if (LiteRtCreateModelFromFile(session->environment, path, &session->model)) {
    return fail(failure, "%s is a broken .tflite file.", path);
  }
  if (!read_metadata(recognizer, path, failure) ||
      !find_signature(recognizer, path, &signature, failure)) {
    return false;
  }
  int wrong =
      LiteRtCreateOptions(&options) ||
      LiteRtSetOptionsHardwareAccelerators(options, LITERT_ON_CPU) ||
      LiteRtCreateCompiledModel(session->environment, session->model, options,
                                &session->compiled);
  if (options) LiteRtDestroyOptions(options);
  if (wrong) return fail(failure, "LiteRT cannot run %s.", path);
  session->samples = claim(recognizer->chunk_samples, sizeof(float));
  recognizer->token_ids = claim(recognizer->chunk_frames, sizeof(int32_t));
  recognizer->log_probabilities = claim(
      recognizer->chunk_frames * recognizer->vocabulary_size, sizeof(float));
  return open_ports(recognizer, signature, failure);
}

bool recognizer_open(struct recognizer *recognizer, const char *path,
                     struct failure *failure) {
  memset(recognizer, 0, sizeof *recognizer);
  recognizer->session = claim(1, sizeof *recognizer->session);
  if (start(recognizer, path, failure)) return true;
  recognizer_close(recognizer);
  return false;
}

static void close_ports(struct port *ports, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (ports[i].buffer) LiteRtDestroyTensorBuffer(ports[i].buffer);
    free(ports[i].next);
  }
  free(ports);
}

void recognizer_close(struct recognizer *recognizer) {
  struct session *session = recognizer->session;
  if (session) {
    close_ports(session->inputs, session->num_inputs);
    close_ports(session->outputs, session->num_outputs);
    if (session->compiled) LiteRtDestroyCompiledModel(session->compiled);
    if (session->model) LiteRtDestroyModel(session->model);
    if (session->environment) LiteRtDestroyEnvironment(session->environment);
    free(session->samples);
    free(session);
  }
  for (size_t i = 0; i < recognizer->num_states; i++) {
    free(recognizer->states[i].values);
  }
  free(recognizer->states);
  free(recognizer->token_ids);
  free(recognizer->log_probabilities);
  json_free(recognizer->metadata);
  memset(recognizer, 0, sizeof *recognizer);
}

void recognizer_reset(struct recognizer *recognizer) {
  for (size_t i = 0; i < recognizer->num_states; i++) {
    memset(recognizer->states[i].values, 0, 4 * recognizer->states[i].count);
  }
}

static size_t not_finite(const float *values, size_t count) {
  size_t bad = 0;
  for (size_t i = 0; i < count; i++) bad += !isfinite(values[i]);
  return bad;
}

bool recognizer_set_state(struct recognizer *recognizer, const char *name,
                          const void *values, size_t bytes,
                          struct failure *failure) {
  struct state *state = find_state(recognizer, name);
  if (!state) {
    return fail(failure, "There is no state %s: it is another model's.", name);
  }
  if (bytes != 4 * state->count) {
    return fail(failure, "The state %s has %zu bytes; expected %zu: it is "
                         "another model's.", name, bytes, 4 * state->count);
  }
  if (!state->is_int && not_finite(values, state->count)) {
    return fail(failure, "The state %s holds NaN or infinite values; begin "
                         "anew with recognizer_reset.", name);
  }
  memcpy(state->values, values, bytes);
  return true;
}

static bool copy(struct port *port, void *values, int mode) {
  void *address = NULL;
  if (LiteRtLockTensorBuffer(port->buffer, &address, mode)) return false;
  if (mode == LITERT_WRITE) {
    memcpy(address, values, port->bytes);
  } else {
    memcpy(values, address, port->bytes);
  }
  return !LiteRtUnlockTensorBuffer(port->buffer);
}

static bool run(struct session *session) {
  litert_tensor_buffer **buffers =
      claim(session->num_inputs + session->num_outputs, sizeof *buffers);
  litert_tensor_buffer **results = buffers + session->num_inputs;
  bool good = true;
  for (size_t i = 0; i < session->num_inputs; i++) {
    struct port *port = &session->inputs[i];
    good = good && copy(port, port->values, LITERT_WRITE);
    buffers[i] = port->buffer;
  }
  for (size_t i = 0; i < session->num_outputs; i++) {
    results[i] = session->outputs[i].buffer;
  }
  good = good && !LiteRtRunCompiledModel(
                     session->compiled, session->signature,
                     session->num_inputs, buffers, session->num_outputs,
                     results);
  for (size_t i = 0; i < session->num_outputs; i++) {
    struct port *port = &session->outputs[i];
    void *to = port->next ? port->next : port->values;
    good = good && copy(port, to, LITERT_READ);
  }
  free(buffers);
  return good;
}

bool recognizer_step(struct recognizer *recognizer, const float *samples,
                     size_t count, struct failure *failure) {
  struct session *session = recognizer->session;
  size_t size = recognizer->chunk_samples;
  if (!count || count > size) {
    return fail(failure, "A chunk of %zu samples came; expected %zu, fewer "
                         "only in the last chunk.", count, size);
  }
  size_t bad = not_finite(samples, count);
  if (bad) {
    return fail(failure, "%zu of %zu samples are NaN or infinite; the chunk "
                         "was not taken.", bad, count);
  }
  memset(session->samples, 0, size * sizeof *samples);
  memcpy(session->samples, samples, count * sizeof *samples);
  session->num_samples = (int32_t)count;
  if (!run(session)) return fail(failure, "LiteRT could not run the chunk.");
  for (size_t i = 0; i < session->num_outputs; i++) {
    struct port *port = &session->outputs[i];
    if (port->next) memcpy(port->values, port->next, port->bytes);
  }
  size_t hop = size / recognizer->chunk_frames;
  recognizer->frames = (count + hop - 1) / hop;
  return true;
}

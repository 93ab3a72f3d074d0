// What this runner needs of LiteRT's C API, in libLiteRt.so of ai-edge-litert
// 2.3: own declarations, since the wheel brings no headers. A call returns 0
// where it succeeded.
#ifndef LITERT_API_H
#define LITERT_API_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

typedef struct litert_environment litert_environment;
typedef struct litert_model litert_model;
typedef struct litert_options litert_options;
typedef struct litert_compiled_model litert_compiled_model;
typedef struct litert_signature litert_signature;
typedef struct litert_tensor litert_tensor;
typedef struct litert_tensor_buffer litert_tensor_buffer;
typedef struct litert_requirements litert_requirements;

enum { LITERT_FLOAT32 = 1, LITERT_INT32 = 2 };
enum { LITERT_ON_CPU = 1 };
enum { LITERT_READ = 0, LITERT_WRITE = 1 };
enum { LITERT_MAX_RANK = 8 };

typedef struct {
  int element_type;
  unsigned int rank : 7;
  unsigned int has_strides : 1;
  int32_t dimensions[LITERT_MAX_RANK];
  uint32_t strides[LITERT_MAX_RANK];
} litert_tensor_type;

static_assert(sizeof(litert_tensor_type) == 72, "another ABI");
static_assert(offsetof(litert_tensor_type, dimensions) == 8, "another ABI");

int LiteRtCreateEnvironment(int num_options, const void *options,
                            litert_environment **environment);
void LiteRtDestroyEnvironment(litert_environment *environment);

int LiteRtCreateModelFromFile(litert_environment *environment,
                              const char *path, litert_model **model);
void LiteRtDestroyModel(litert_model *model);
int LiteRtGetModelMetadata(litert_model *model, const char *key,
                           const void **bytes, size_t *size);
int LiteRtGetNumModelSignatures(litert_model *model, size_t *count);
int LiteRtGetModelSignature(litert_model *model, size_t index,
                            litert_signature **signature);

int LiteRtGetSignatureKey(litert_signature *signature, const char **key);
int LiteRtGetNumSignatureInputs(litert_signature *signature, size_t *count);
int LiteRtGetNumSignatureOutputs(litert_signature *signature, size_t *count);
int LiteRtGetSignatureInputName(litert_signature *signature, size_t index,
                                const char **name);
int LiteRtGetSignatureOutputName(litert_signature *signature, size_t index,
                                 const char **name);
int LiteRtGetSignatureInputTensorByIndex(litert_signature *signature,
                                         size_t index, litert_tensor **tensor);
int LiteRtGetSignatureOutputTensorByIndex(litert_signature *signature,
                                          size_t index,
                                          litert_tensor **tensor);
int LiteRtGetRankedTensorType(litert_tensor *tensor, litert_tensor_type *type);

int LiteRtCreateOptions(litert_options **options);
void LiteRtDestroyOptions(litert_options *options);
int LiteRtSetOptionsHardwareAccelerators(litert_options *options,
                                         int accelerators);

int LiteRtCreateCompiledModel(litert_environment *environment,
                              litert_model *model, litert_options *options,
                              litert_compiled_model **compiled);
void LiteRtDestroyCompiledModel(litert_compiled_model *compiled);
int LiteRtGetCompiledModelInputBufferRequirements(
    litert_compiled_model *compiled, size_t signature, size_t index,
    litert_requirements **requirements);
int LiteRtGetCompiledModelOutputBufferRequirements(
    litert_compiled_model *compiled, size_t signature, size_t index,
    litert_requirements **requirements);
int LiteRtRunCompiledModel(litert_compiled_model *compiled, size_t signature,
                           size_t num_inputs, litert_tensor_buffer **inputs,
                           size_t num_outputs, litert_tensor_buffer **outputs);

int LiteRtCreateManagedTensorBufferFromRequirements(
    litert_environment *environment, const litert_tensor_type *type,
    litert_requirements *requirements, litert_tensor_buffer **buffer);
void LiteRtDestroyTensorBuffer(litert_tensor_buffer *buffer);
int LiteRtGetTensorBufferSize(litert_tensor_buffer *buffer, size_t *size);
int LiteRtLockTensorBuffer(litert_tensor_buffer *buffer, void **address,
                           int mode);
int LiteRtUnlockTensorBuffer(litert_tensor_buffer *buffer);

#endif

// The Node-API surface: what src/addon.ts describes. It turns JavaScript values into the C++ interface and back and
// holds no logic of its own. Wrong values throw a TypeError; what a kernel answers is returned as a number.
#include <node_api.h>

#include <math.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <new>

#include "dispatch.h"
#include "handle.h"
#include "limits.h"

namespace {

/// Throws and returns undefined.
napi_value fail(napi_env env, const char* message) {
  napi_throw_type_error(env, "native-argument", message);
  return nullptr;
}

napi_value stringOf(napi_env env, const char* text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

napi_value numberOf(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

/// A number of an argument, or NaN.
double numberIn(napi_env env, napi_value value) {
  double number = 0;
  return napi_get_value_double(env, value, &number) == napi_ok ? number : static_cast<double>(NAN);
}

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  napi_get_named_property(env, object, name, &value);
  return value;
}

/// A handle and what JavaScript holds of it: three functions, any of which may outlive the others.
struct Opened {
  napi_env env;
  napi_ref memory;
  Handle handle;
  int functions;

  /// Ends the threads and lets go of the memory.
  void close() {
    handle.close();
    if (memory != nullptr) napi_delete_reference(env, memory);
    memory = nullptr;
  }
};

/// The environment ends (process exit, or a worker is terminated): the threads must not outlive it.
void onEnvironmentEnd(void* data) { static_cast<Opened*>(data)->handle.close(); }

void onFunctionGone(napi_env env, void* data, void*) {
  Opened* opened = static_cast<Opened*>(data);
  opened->functions--;
  if (opened->functions > 0) return;
  napi_remove_env_cleanup_hook(env, onEnvironmentEnd, opened);
  opened->close();
  delete opened;
}

/// Reads up to `most` numbers and the handle of a call of one of its functions.
Opened* receive(napi_env env, napi_callback_info info, double* numbers, size_t most) {
  napi_value values[2];
  size_t count = most;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, values, nullptr, &data) != napi_ok) return nullptr;
  for (size_t i = 0; i < most; i++) numbers[i] = i < count ? numberIn(env, values[i]) : static_cast<double>(NAN);
  return static_cast<Opened*>(data);
}

/// The number as an index, −1 for any that is none: fractions too.
int indexOf(double number) {
  if (!(number >= 0 && number < 65536)) return -1;
  const int index = static_cast<int>(number);
  return static_cast<double>(index) == number ? index : -1;
}

napi_value statusOf(napi_env env, Status status) {
  napi_value value = nullptr;
  napi_create_int32(env, status, &value);
  return value;
}

napi_value callKernel(napi_env env, napi_callback_info info) {
  double kernel = 0;
  Opened* opened = receive(env, info, &kernel, 1);
  return opened == nullptr ? nullptr : statusOf(env, opened->handle.call(indexOf(kernel)));
}

napi_value runKernel(napi_env env, napi_callback_info info) {
  double numbers[2];
  Opened* opened = receive(env, info, numbers, 2);
  return opened == nullptr ? nullptr : statusOf(env, opened->handle.run(indexOf(numbers[0]), indexOf(numbers[1])));
}

napi_value closeHandle(napi_env env, napi_callback_info info) {
  double none = 0;
  Opened* opened = receive(env, info, &none, 0);
  if (opened != nullptr) opened->close();
  return nullptr;
}

/// Bytes of a typed array; false when the value is none of `type`.
bool bytesOf(napi_env env, napi_value value, napi_typedarray_type type, void** data, size_t* length) {
  bool isArray = false;
  napi_typedarray_type found = napi_int8_array;
  if (napi_is_typedarray(env, value, &isArray) != napi_ok || !isArray) return false;
  if (napi_get_typedarray_info(env, value, &found, length, data, nullptr, nullptr) != napi_ok) return false;
  return found == type && *data != nullptr;
}

/// Asks for large pages, where the system gives them on request: a token reads all weights, and with small pages up to
/// a fifth of its time went into looking up where they are. Nothing but speed depends on the answer.
void adviseHugePages(const uint8_t* base, double bytes) {
#if defined(__linux__)
  // At least one large page, and no more than any address has.
  if (!(bytes >= 0x1p21 && bytes <= 0x1p46)) return;
  madvise(const_cast<uint8_t*>(base), static_cast<size_t>(bytes), MADV_HUGEPAGE);
#else
  static_cast<void>(base);
  static_cast<void>(bytes);
#endif
}

/// open({ memory, args, threads, isa?, reserved? })
napi_value open(napi_env env, napi_callback_info info) {
  napi_value options = nullptr;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &options, nullptr, nullptr);
  napi_valuetype type = napi_undefined;
  if (count < 1 || napi_typeof(env, options, &type) != napi_ok || type != napi_object) {
    return fail(env, "open needs an object of options");
  }
  void* memory = nullptr;
  void* arguments = nullptr;
  size_t bytes = 0, words = 0;
  const napi_value memoryArray = property(env, options, "memory");
  if (!bytesOf(env, memoryArray, napi_uint8_array, &memory, &bytes)) return fail(env, "memory must be a Uint8Array");
  if (!bytesOf(env, property(env, options, "args"), napi_float64_array, &arguments, &words)) {
    return fail(env, "args must be a Float64Array");
  }
  if (words < static_cast<size_t>(kBlockWords)) return fail(env, "args is shorter than the argument block");
  const uint8_t* base = static_cast<const uint8_t*>(memory);
  const uint8_t* block = static_cast<const uint8_t*>(arguments);
  if (block < base || block + static_cast<size_t>(kBlockWords) * 8 > base + bytes) {
    return fail(env, "args must lie in memory");
  }
  const int threads = indexOf(numberIn(env, property(env, options, "threads")));
  if (threads < 1 || threads > kMaxShares) return fail(env, "threads must be a whole number from 1 to 64");

  const Isa* usable[kMostIsas];
  usableIsas(usable);
  const Isa* isa = usable[0];
  const napi_value wanted = property(env, options, "isa");
  napi_typeof(env, wanted, &type);
  if (type != napi_undefined) {
    char name[32];
    if (napi_get_value_string_utf8(env, wanted, name, sizeof name, nullptr) != napi_ok) {
      return fail(env, "isa must be a string");
    }
    isa = findIsa(name);
    if (isa == nullptr) return fail(env, "isa is not one that this machine can run");
  }

  const double reserved = numberIn(env, property(env, options, "reserved"));
  adviseHugePages(base, reserved >= static_cast<double>(bytes) ? reserved : static_cast<double>(bytes));

  Opened* opened = new (std::nothrow) Opened{
      env, nullptr, Handle(*isa, static_cast<uint8_t*>(memory), static_cast<double*>(arguments), threads), 0};
  if (opened == nullptr) return fail(env, "there is no memory for the handle");
  // Held until close: the memory must not go while a call may come.
  napi_create_reference(env, memoryArray, 1, &opened->memory);
  napi_add_env_cleanup_hook(env, onEnvironmentEnd, opened);

  napi_value result = nullptr;
  napi_create_object(env, &result);
  const struct {
    const char* name;
    napi_callback function;
  } functions[] = {{"call", callKernel}, {"run", runKernel}, {"close", closeHandle}};
  for (const auto& entry : functions) {
    napi_value function = nullptr;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, opened, &function);
    napi_add_finalizer(env, function, opened, onFunctionGone, nullptr, nullptr);
    opened->functions++;
    napi_set_named_property(env, result, entry.name, function);
  }
  napi_set_named_property(env, result, "isa", stringOf(env, isa->name));
  napi_set_named_property(env, result, "threads", numberOf(env, opened->handle.threads()));
  return result;
}

/// Whether a measure may take so long: its end must come, so NaN and infinity may not.
bool isDuration(double milliseconds) { return milliseconds >= 0 && milliseconds <= 60000; }

constexpr char kNoDuration[] = "milliseconds must be a number from 0 to 60000";

/// peak(kind, milliseconds)
napi_value peak(napi_env env, napi_callback_info info) {
  napi_value values[2];
  size_t count = 2;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  char kind[16] = "";
  if (count > 0) napi_get_value_string_utf8(env, values[0], kind, sizeof kind, nullptr);
  const char* const kinds[kPeakKinds] = {"int8", "int16", "int4", "float32"};
  const double milliseconds = count > 1 ? numberIn(env, values[1]) : 50;
  if (!isDuration(milliseconds)) return fail(env, kNoDuration);
  for (int i = 0; i < kPeakKinds; i++) {
    if (strcmp(kind, kinds[i]) != 0) continue;
    const Isa* usable[kMostIsas];
    usableIsas(usable);
    return numberOf(env, measurePeak(*usable[0], i, milliseconds));
  }
  return fail(env, "the kind of a peak is int4, int8, int16 or float32");
}

/// read(bytes, threads, milliseconds)
napi_value read(napi_env env, napi_callback_info info) {
  napi_value values[3];
  size_t count = 3;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  if (count < 3) return fail(env, "read needs bytes, threads and milliseconds");
  const double bytes = numberIn(env, values[0]);
  const int threads = indexOf(numberIn(env, values[1]));
  if (!(bytes >= 4096 && bytes <= 0x1p36) || threads < 1 || threads > kMaxShares) {
    return fail(env, "read needs 4096 bytes or more and 1 to 64 threads");
  }
  const double milliseconds = numberIn(env, values[2]);
  if (!isDuration(milliseconds)) return fail(env, kNoDuration);
  const Isa* usable[kMostIsas];
  usableIsas(usable);
  return numberOf(env, measureRead(*usable[0], bytes, threads, milliseconds));
}

void setFunction(napi_env env, napi_value object, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, object, name, function);
}

}  // namespace

NAPI_MODULE_INIT() {
#define BITLOOM_NAME(name) #name,
  const char* const names[] = {BITLOOM_KERNELS(BITLOOM_NAME)};
#undef BITLOOM_NAME
  napi_value list = nullptr;
  napi_create_array_with_length(env, kKernelCount, &list);
  for (uint32_t i = 0; i < kKernelCount; i++) napi_set_element(env, list, i, stringOf(env, names[i]));
  napi_set_named_property(env, exports, "names", list);

  const Isa* usable[kMostIsas];
  const uint32_t count = static_cast<uint32_t>(usableIsas(usable));
  napi_create_array_with_length(env, count, &list);
  for (uint32_t i = 0; i < count; i++) napi_set_element(env, list, i, stringOf(env, usable[i]->name));
  napi_set_named_property(env, exports, "isas", list);

  setFunction(env, exports, "open", open);
  napi_value limits = nullptr;
  napi_create_object(env, &limits);
  setFunction(env, limits, "peak", peak);
  setFunction(env, limits, "read", read);
  napi_set_named_property(env, exports, "limits", limits);
  return exports;
}

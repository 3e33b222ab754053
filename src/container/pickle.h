#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace requant {

// What a PyTorch checkpoint's pickle may name. Everything else is refused by its name.
struct PyGlobal {
  enum class Role : std::uint8_t {
    kOrderedDict,
    kTensor,          // _rebuild_tensor: storage, offset, size, stride
    kTensorV2,        // _rebuild_tensor_v2: those, requires_grad, hooks
    kTensorV3,        // _rebuild_tensor_v3: those, dtype
    kParameter,       // _rebuild_parameter: tensor, requires_grad, hooks
    kSize,            // torch.Size
    kDevice,          // torch.device
    kTypedStorage,    // torch.FloatStorage
    kUntypedStorage,  // torch.storage.UntypedStorage: counts bytes
    kDType,           // torch.float8_e4m3fn
  };
  std::string_view module;
  std::string_view name;
  Role role;
  DType dtype = DType::kU8;  // of kTypedStorage and kDType
  int pack = 1;              // elements of `dtype` that PyTorch counts as one
};

// A value that a pickle builds. Tuples, lists and torch.Size are all sequences.
struct PyValue {
  enum class Kind : std::uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,
    kBytes,
    kSequence,
    kDict,
    kGlobal,
    kStorage,
    kTensor,
    kDevice,
    kMark,  // only while the pickle is read
  };
  Kind kind = Kind::kNone;
  std::int64_t number = 0;  // the value of a bool or integer, else the place in its PyObjects list
};

struct PyStorage {
  const PyGlobal* type = nullptr;
  std::string_view key;     // names the file in the archive that has the data
  std::uint64_t count = 0;  // elements of type->dtype, or bytes where it is untyped
};

struct PyTensor {
  std::size_t storage = 0;
  std::uint64_t offset = 0;  // in elements
  std::size_t size = 0;      // sequences of non-negative integers
  std::size_t stride = 0;
  const PyGlobal* dtype = nullptr;  // of the storage, or stated apart
};

// Values refer to each other by index, so cycles and shared parts are possible.
struct PyObjects {
  Bytes pickle;  // what the texts point into
  PyValue root;
  std::vector<std::string_view> texts;
  std::vector<std::vector<PyValue>> sequences;
  std::vector<std::vector<std::pair<PyValue, PyValue>>> dicts;
  std::vector<const PyGlobal*> globals;
  std::vector<PyStorage> storages;
  std::vector<PyTensor> tensors;
};

// Reads a pickle (protocol 2 to 5) of the kind that torch.save writes. Runs nothing: the few
// callables that rebuild tensors are built in. kRefused for any other global or opcode.
Result<PyObjects> read_pickle(Bytes pickle);

// nullptr when a checkpoint has no business to name it.
const PyGlobal* find_py_global(std::string_view module, std::string_view name);

}  // namespace requant

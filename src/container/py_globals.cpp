#include <algorithm>
#include <iterator>

#include "container/pickle.h"

namespace requant {
namespace {

using Role = PyGlobal::Role;

constexpr std::string_view kTorch = "torch";
constexpr std::string_view kUtils = "torch._utils";

constexpr PyGlobal kGlobals[] = {
    {"collections", "OrderedDict", Role::kOrderedDict},
    {kUtils, "_rebuild_tensor", Role::kTensor},
    {kUtils, "_rebuild_tensor_v2", Role::kTensorV2},
    {kUtils, "_rebuild_tensor_v3", Role::kTensorV3},
    {kUtils, "_rebuild_parameter", Role::kParameter},
    {"torch.nn.parameter", "Parameter", Role::kParameter},
    {kTorch, "Size", Role::kSize},
    {kTorch, "device", Role::kDevice},
    {"torch.storage", "UntypedStorage", Role::kUntypedStorage},
    {kTorch, "DoubleStorage", Role::kTypedStorage, DType::kF64},
    {kTorch, "FloatStorage", Role::kTypedStorage, DType::kF32},
    {kTorch, "HalfStorage", Role::kTypedStorage, DType::kF16},
    {kTorch, "BFloat16Storage", Role::kTypedStorage, DType::kBF16},
    {kTorch, "LongStorage", Role::kTypedStorage, DType::kI64},
    {kTorch, "IntStorage", Role::kTypedStorage, DType::kI32},
    {kTorch, "ShortStorage", Role::kTypedStorage, DType::kI16},
    {kTorch, "CharStorage", Role::kTypedStorage, DType::kI8},
    {kTorch, "ByteStorage", Role::kTypedStorage, DType::kU8},
    {kTorch, "BoolStorage", Role::kTypedStorage, DType::kBool},
    {kTorch, "ComplexFloatStorage", Role::kTypedStorage, DType::kC64},
    {kTorch, "float64", Role::kDType, DType::kF64},
    {kTorch, "float32", Role::kDType, DType::kF32},
    {kTorch, "float16", Role::kDType, DType::kF16},
    {kTorch, "bfloat16", Role::kDType, DType::kBF16},
    {kTorch, "int64", Role::kDType, DType::kI64},
    {kTorch, "int32", Role::kDType, DType::kI32},
    {kTorch, "int16", Role::kDType, DType::kI16},
    {kTorch, "int8", Role::kDType, DType::kI8},
    {kTorch, "uint64", Role::kDType, DType::kU64},
    {kTorch, "uint32", Role::kDType, DType::kU32},
    {kTorch, "uint16", Role::kDType, DType::kU16},
    {kTorch, "uint8", Role::kDType, DType::kU8},
    {kTorch, "bool", Role::kDType, DType::kBool},
    {kTorch, "complex64", Role::kDType, DType::kC64},
    {kTorch, "float8_e4m3fn", Role::kDType, DType::kF8E4M3},
    {kTorch, "float8_e5m2", Role::kDType, DType::kF8E5M2},
    {kTorch, "float8_e4m3fnuz", Role::kDType, DType::kF8E4M3Fnuz},
    {kTorch, "float8_e5m2fnuz", Role::kDType, DType::kF8E5M2Fnuz},
    {kTorch, "float8_e8m0fnu", Role::kDType, DType::kF8E8M0},
    {kTorch, "float4_e2m1fn_x2", Role::kDType, DType::kF4, 2},
};

}  // namespace

const PyGlobal* find_py_global(std::string_view module, std::string_view name) {
  const auto* found = std::find_if(
      std::begin(kGlobals), std::end(kGlobals),
      [&](const PyGlobal& global) { return global.name == name && global.module == module; });
  return found == std::end(kGlobals) ? nullptr : found;
}

}  // namespace requant

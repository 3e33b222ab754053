#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace requant {

enum class ErrorCode : std::uint8_t {
  kUsage,        // the caller asked for something impossible
  kCorrupt,      // the bytes contradict themselves or their format
  kNotFound,     // a file that the caller named is not there
  kRefused,      // well-formed, but not supported, or lossy without leave
  kResource,     // disk, memory, file descriptors, an I/O error
  kInterrupted,  // a signal asked to stop
};

// What went wrong, told from the outside in: each caller puts where it was in front of the message
// ("model-00002.safetensors", "model.layers.3.mlp.up_proj.weight").
class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  Error within(std::string_view where) && {
    message_.insert(0, std::string(where) + ": ");
    return std::move(*this);
  }

 private:
  ErrorCode code_;
  std::string message_;
};

// A value or the Error that prevented it: the subset of std::expected that is used here.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: implicit by design

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> : public Result<std::monostate> {
 public:
  Result() : Result<std::monostate>(std::monostate{}) {}
  Result(Error error) : Result<std::monostate>(std::move(error)) {}  // NOLINT
};

inline Error usage(std::string message) { return {ErrorCode::kUsage, std::move(message)}; }
inline Error corrupt(std::string message) { return {ErrorCode::kCorrupt, std::move(message)}; }
inline Error not_found(std::string message) { return {ErrorCode::kNotFound, std::move(message)}; }
inline Error refused(std::string message) { return {ErrorCode::kRefused, std::move(message)}; }
inline Error resource(std::string message) { return {ErrorCode::kResource, std::move(message)}; }

// The only control-flow macros in the code base.
//   RQ_TRY(auto header, read_header(file));         // returns the error upwards
//   RQ_CHECK(write(file));                          // same, for Result<void>
//   RQ_TRY_IN(auto header, read_header(file), name) // the same, with `name` in front of the
//   message
#define RQ_TRY(lhs, expr) RQ_TRY_IMPL_(RQ_JOIN_(rq_try_, __LINE__), lhs, expr)
#define RQ_TRY_IMPL_(tmp, lhs, expr)       \
  auto tmp = (expr);                       \
  if (!tmp) return std::move(tmp).error(); \
  lhs = *std::move(tmp)
#define RQ_TRY_IN(lhs, expr, where) RQ_TRY_IN_IMPL_(RQ_JOIN_(rq_try_, __LINE__), lhs, expr, where)
#define RQ_TRY_IN_IMPL_(tmp, lhs, expr, where)           \
  auto tmp = (expr);                                     \
  if (!tmp) return std::move(tmp).error().within(where); \
  lhs = *std::move(tmp)
#define RQ_CHECK(expr) \
  if (auto rq_status = (expr); !rq_status) return std::move(rq_status).error()
#define RQ_CHECK_IN(expr, where) \
  if (auto rq_status = (expr); !rq_status) return std::move(rq_status).error().within(where)
#define RQ_JOIN_(a, b) RQ_JOIN2_(a, b)
#define RQ_JOIN2_(a, b) a##b

}  // namespace requant

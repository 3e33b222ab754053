#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace requant {

// SHA-256 of bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  // Both end the hash: update() may not follow.
  std::array<std::uint8_t, 32> digest();
  std::string hex();  // hex_of(digest())

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Lower-case.
std::string hex_of(std::span<const std::byte> bytes);

std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace requant

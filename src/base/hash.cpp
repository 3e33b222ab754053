#include "base/hash.h"

// The functions that OpenSSL 3 would have replaced: they take no memory and no locks. Those it
// offers instead look their algorithm up, and where memory runs out on the way a lock stays taken.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <array>
#include <cstdlib>

namespace requant {

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (SHA256_Init(&state_->context) != 1) std::abort();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  if (SHA256_Update(&state_->context, bytes.data(), bytes.size()) != 1) std::abort();
}

std::array<std::uint8_t, 32> Sha256::digest() {
  std::array<std::uint8_t, 32> digest{};
  if (SHA256_Final(digest.data(), &state_->context) != 1) std::abort();
  return digest;
}

std::string Sha256::hex() {
  const auto bytes = digest();
  return hex_of(std::as_bytes(std::span(bytes)));
}

std::string hex_of(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text.push_back(kDigits[std::to_integer<int>(byte) >> 4]);
    text.push_back(kDigits[std::to_integer<int>(byte) & 15]);
  }
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

}  // namespace requant

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace requant::kernel {

// SHA-256 (FIPS 180-4) of two messages. One alone keeps a processor's SHA instructions waiting for
// each other: each needs the result of the one before it.
struct Sha256Pair {
  const std::uint8_t* messages[2];
  std::size_t sizes[2];
  std::uint8_t (*digests)[32];
};

// One implementation; see ScanFp8Kernel.
struct Sha256Kernel {
  const char* name;
  bool (*supports)();  // this machine
  void (*run)(const Sha256Pair&);
};

// Best first; the last is "ref", which runs everywhere.
std::span<const Sha256Kernel* const> sha256_kernels();

// The hash of each message, in lower-case hex.
std::vector<std::string> sha256_hex_of(std::span<const std::span<const std::byte>> messages);

}  // namespace requant::kernel

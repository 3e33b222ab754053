#include "kernel/sha256.h"

#include <algorithm>
#include <numeric>

#include "base/hash.h"
#include "kernel/first_supported.h"

namespace requant::kernel {

extern const Sha256Kernel k_sha256_shani;
extern const Sha256Kernel k_sha256_ref;

namespace {

constexpr const Sha256Kernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_sha256_shani,
#endif
    &k_sha256_ref,
};

const std::uint8_t* data(std::span<const std::byte> message) {
  return reinterpret_cast<const std::uint8_t*>(message.data());
}

}  // namespace

std::span<const Sha256Kernel* const> sha256_kernels() { return kKernels; }

std::vector<std::string> sha256_hex_of(std::span<const std::span<const std::byte>> messages) {
  std::vector<std::size_t> order(messages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, std::greater(), [&](std::size_t i) { return messages[i].size(); });
  std::vector<std::string> hashes(messages.size());
  std::size_t i = 0;
  for (; i + 1 < order.size(); i += 2) {
    const auto first = messages[order[i]];
    const auto second = messages[order[i + 1]];
    std::uint8_t digests[2][32];
    first_supported(kKernels).run(
        {{data(first), data(second)}, {first.size(), second.size()}, digests});
    hashes[order[i]] = hex_of(std::as_bytes(std::span(digests[0])));
    hashes[order[i + 1]] = hex_of(std::as_bytes(std::span(digests[1])));
  }
  if (i < order.size()) hashes[order[i]] = sha256_hex(messages[order[i]]);
  return hashes;
}

}  // namespace requant::kernel

#pragma once

#include <cstdint>

#include "codec/codec.h"

// Properties that every codec must have. A codec's own test adds the one thing that these cannot
// know: bytes that somebody else's program wrote.
namespace requant::testing_support {

// decode(encode(w)) equals w, under the scheme that scheme_of() finds, and layout() says what
// encode() gave.
void expect_round_trip(const Codec& codec, const Scheme& scheme, std::int64_t rows,
                       std::int64_t cols);

// Every prefix of every part, in a buffer of just that size, so that a read past the end is one
// that AddressSanitizer sees; and every part missing, of another shape, and of every other dtype.
void expect_refusal_when_cut(const Codec& codec, const Scheme& scheme, std::int64_t rows,
                             std::int64_t cols);

}  // namespace requant::testing_support

#pragma once

#include <cstdint>

#include "quant/scheme.h"

// The grid of AutoAWQ's GEMV layouts, whose scales and zero points come in whole words.
namespace requant {

// Channels, and groups of 32, 64 and from 128 on.
bool is_awq_gemv_grid(const Grid& grid);

// Words of eight zero points that the groups of a row of `cols` inputs take
// (awq/modules/linear/gemv.py calculate_zeros_width@0.2.9).
std::int64_t awq_zero_words(const Grid& grid, std::int64_t cols);

}  // namespace requant

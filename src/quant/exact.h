#pragma once

namespace requant {

// The real number (high + low + addend) / divisor, without any rounding: code x scale x outer is
// high + low, where high is the product rounded to double, and addend is the minimum. With a
// divisor other than 1, low and addend are 0. Factors must be floats of at most 24 significant
// bits.
struct ExactValue {
  double high = 0;
  double low = 0;
  double addend = 0;
  double divisor = 1;
};

// code x scale x outer; code x scale must have at most 53 significant bits.
ExactValue exact_product(double code, double scale, double outer);

// The value rounded once to nearest, ties to even.
float nearest_f32(const ExactValue& value);

// The value rounded to odd: towards zero, with the last bit set where anything was lost. Rounding
// this to a format of at most 22 bits gives what rounding the value itself gives.
float odd_f32(const ExactValue& value);

// Whether the two are the same real number. Zeros are equal; infinities of one sign are; NaNs are
// where they round to the same F32 bits.
bool same_number(const ExactValue& a, const ExactValue& b);

}  // namespace requant

#pragma once

#include "requant/finding.h"  // IWYU pragma: export

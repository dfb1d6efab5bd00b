// The specification of int8 and bf16 attention, as plain loops; see reference_rows.h. Contract: table.h.
#pragma once

#include "kernels/table.h"

namespace sesame::kernels::reference {

// Needs no scratch.
void attention_u8s8(const AttentionU8S8& a);
void attention_bf16(const AttentionBf16& a);

}  // namespace sesame::kernels::reference

// The studies, one function a file: bench/studies/<name>.cc. studies() lists them.
#pragma once

#include "bench/studies/study.h"

namespace sesame::bench {

StudyReport optimum_study(const StudyOptions&, const Machine&, const Progress&);
StudyReport per_batch_study(const StudyOptions&, const Machine&, const Progress&);
StudyReport neural_compressor_study(const StudyOptions&, const Machine&, const Progress&);
StudyReport neural_compressor_2021_study(const StudyOptions&, const Machine&, const Progress&);
StudyReport intent_study(const StudyOptions&, const Machine&, const Progress&);

}  // namespace sesame::bench

#pragma once

// As the README has it: prints two answers. Looks for models/intent below the working folder.
void answer();

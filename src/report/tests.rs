//! One report through every format.

"""What makes notebooks into lessons: exercises that check themselves, hand-outs, grading."""

package org.kerasmmdense

import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import java.io.File
import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.sin
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith

/** Runs on a phone; put stems.tflite and stems.json into src/androidTest/assets first. */
@RunWith(AndroidJUnit4::class)
class SeparatorTest {
    @Test
    fun stemsSumToTheSong() {
        val context = InstrumentationRegistry.getInstrumentation().context
        val model = File.createTempFile("stems", ".tflite")
        context.assets.open("stems.tflite").use { asset ->
            model.outputStream().use { asset.copyTo(it) }
        }
        val card = context.assets.open("stems.json").bufferedReader().use { it.readText() }
        Separator(model, card).use { separator ->
            val rate = separator.sampleRate
            val song = FloatArray(2 * 8 * rate) {
                0.3f * sin(2 * PI * 220 * (it / 2) / rate).toFloat()
            }
            val stems = separator.separate(song)
            assertEquals(separator.stems.toSet(), stems.keys)
            val error = song.indices.maxOf { i -> abs(song[i] - stems.values.sumOf { it[i].toDouble() }) }
            assertTrue("stems differ from the song by $error", error < 1e-3)
        }
    }
}

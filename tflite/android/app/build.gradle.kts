plugins {
    id("com.android.application")
}

android {
    namespace = "org.kerasselfattn.dictation"
    compileSdk = 36

    defaultConfig {
        applicationId = "org.kerasselfattn.dictation"
        minSdk = 23
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    // The model is mapped into memory: it must lie in the package as it is.
    androidResources {
        noCompress += "tflite"
    }
}

dependencies {
    implementation(project(":core"))
    implementation("com.google.ai.edge.litert:litert:1.4.2")
}
